// Command cart keeps what customers put into it in the shop's database.
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
	"os/exec"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

func main() {
	show := flag.Bool("version", false, "print the version and exit")
	address := flag.String("listen", ":8080", "where to listen")
	flag.Parse()
	if *show {
		fmt.Println(version)
		return
	}
	http.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, version) })
	http.HandleFunc("GET /items", answer("SELECT article, sum(count) FROM items GROUP BY article ORDER BY article"))
	http.HandleFunc("POST /items/{article}", add)
	http.HandleFunc("GET /schema", answer("SELECT 'schema ' || max(number) FROM migrations;"+
		"SELECT sql FROM sqlite_schema WHERE type = 'table' ORDER BY name"))
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

// article is what may be put into SQL.
var article = regexp.MustCompile(`^[a-z]{1,40}$`)

func add(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("article")
	if !article.MatchString(name) {
		http.Error(w, "an article is lower-case letters", http.StatusBadRequest)
		return
	}
	answer("INSERT INTO items (cart, article, count) VALUES (1, '"+name+"', 1)")(w, r)
}

// answer asks the database, a file that migrations have made.
func answer(query string) http.HandlerFunc {
	database := cmp.Or(os.Getenv("DATABASE"), "/data/shop.db")
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		out, err := exec.CommandContext(ctx, "sqlite3", "-batch", "-cmd", ".timeout 3000", database, query).CombinedOutput()
		if err != nil {
			log.Printf("%s: %v: %s", r.URL.Path, err, out)
			http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
			return
		}
		w.Write(out)
	}
}
