// Command api is the shop's entrance.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
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
	if err := serve(*address); err != nil {
		log.Fatal(err)
	}
}

// serve answers until it is asked to end, and then ends what it has begun.
func serve(address string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server := &http.Server{Addr: address}
	ended := make(chan error, 1)
	go func() {
		<-ctx.Done()
		ended <- server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-ended
}
