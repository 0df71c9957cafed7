"""What a run is handed: settings, stores, market sources, the reader."""
