"""One module per format, each turning a file into `Parsed`."""
