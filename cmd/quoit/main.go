// Command quoit builds, versions and releases a project of container images.
package main

func main() {}
