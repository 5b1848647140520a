package main

import (
	"fmt"
	"io"
	"net"
	"os"
)

// forwardTo passes on each connection to the address listen; ended gets the
// error when that stops.
func forwardTo(listen, target string, ended chan<- error) error {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("opening the API server's address for pods: %w", err)
	}
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				ended <- fmt.Errorf("accepting pods' connections: %w", err)
				return
			}
			go pass(from, target)
		}
	}()
	return nil
}

func pass(from net.Conn, target string) {
	defer from.Close()
	to, err := net.Dial("tcp", target)
	if err != nil {
		fmt.Fprintln(os.Stderr, "connecting a pod to the API server:", err)
		return
	}
	defer to.Close()
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
		go func() {
			_, _ = io.Copy(pair[1], pair[0])
			// The other direction may still have something to say.
			_ = pair[1].(*net.TCPConn).CloseWrite()
			done <- struct{}{}
		}()
	}
	<-done
	<-done
}
