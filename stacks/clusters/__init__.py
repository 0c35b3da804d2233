"""Where the cluster comes from: the one small interface at which providers differ."""
