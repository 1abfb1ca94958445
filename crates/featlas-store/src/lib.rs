//! The atlas on disk: schema, shards, commits, manifest, check, garbage collection.
