// Command cart counts what customers put into it.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"sync/atomic"
)

func main() {
	show := flag.Bool("version", false, "print the version and exit")
	address := flag.String("listen", ":8080", "where to listen")
	flag.Parse()
	if *show {
		fmt.Println(version)
		return
	}
	var items atomic.Int64
	http.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, version) })
	http.HandleFunc("POST /items", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, items.Add(1)) })
	log.Fatal(http.ListenAndServe(*address, nil))
}
