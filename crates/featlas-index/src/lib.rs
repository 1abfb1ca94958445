//! Nearest neighbours: exact search, HNSW, recall, and the index files.
