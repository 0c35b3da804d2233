"""From a site file to a running, verified platform: the stages of `portolan up`, and their order."""
