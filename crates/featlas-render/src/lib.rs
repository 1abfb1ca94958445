//! Pictures and pages: posters, contact sheets, galleries, colour maps, the report.
