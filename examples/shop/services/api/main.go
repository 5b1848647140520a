// Command api is the shop's entrance.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
)

// greeting is set when the image is built: args in quoit.yaml. A site may have
// one of its own.
var greeting = "Hello."

func main() {
	show := flag.Bool("version", false, "print the version and exit")
	address := flag.String("listen", ":8080", "where to listen")
	flag.Parse()
	if *show {
		fmt.Println(version)
		return
	}
	http.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, version) })
	http.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, cmp.Or(os.Getenv("SHOP_GREETING"), greeting))
	})
	log.Fatal(http.ListenAndServe(*address, nil))
}
