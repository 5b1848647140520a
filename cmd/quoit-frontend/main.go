// Command quoit-frontend is the BuildKit frontend image's only binary.
package main

func main() {}
