package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
)

// forward is an address whose connections go to another one. A secure one takes
// TLS, and speaks in the clear to the other.
type forward struct {
	from, to string
	secure   bool
}

// start passes on each connection; ended gets the error when that stops. The
// certificate is that of the cluster in dir for its registry.
func (f forward) start(dir string, ended chan<- error) error {
	listener, err := net.Listen("tcp", f.from)
	if err != nil {
		return fmt.Errorf("opening an address for pods: %w", err)
	}
	if f.secure {
		certificate := filepath.Join(dir, "pki", "registry")
		pair, err := tls.LoadX509KeyPair(certificate+".crt", certificate+".key")
		if err != nil {
			return fmt.Errorf("opening an address for pods: %w", err)
		}
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}})
	}
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				ended <- fmt.Errorf("accepting pods' connections: %w", err)
				return
			}
			go pass(from, f.to)
		}
	}()
	return nil
}

func pass(from net.Conn, target string) {
	defer from.Close()
	to, err := net.Dial("tcp", target)
	if err != nil {
		fmt.Fprintln(os.Stderr, "connecting a pod:", err)
		return
	}
	defer to.Close()
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
		go func() {
			_, _ = io.Copy(pair[1], pair[0])
			// The other direction may still have something to say.
			_ = pair[1].(interface{ CloseWrite() error }).CloseWrite()
			done <- struct{}{}
		}()
	}
	<-done
	<-done
}
