"""Reports: data (`report`), rounding (`numbers`), and one module for each format."""
