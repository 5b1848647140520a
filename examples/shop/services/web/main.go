// Command web serves the files in /site.
package main

import (
	"flag"
	"log"
	"net/http"
)

func main() {
	address := flag.String("listen", ":8080", "where to listen")
	flag.Parse()
	log.Fatal(http.ListenAndServe(*address, http.FileServer(http.Dir("/site"))))
}
