package main

// version is what the service says of itself; the image's version is quoit's.
const version = "cart 1"
