//go:build linux

package applet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// webTime is how long one request may take; package net/http would double the
// size of the program.
const webTime = 30 * time.Second

// httpd serves a folder, or one text, until it is told to end.
func httpd(c Call) error {
	f := c.flags("[-p [ADDRESS:]PORT] [-t TEXT | FOLDER]")
	port := f.StringP("port", "p", "80", "port, or address and port")
	text := f.StringP("text", "t", "", "answer this to everything")
	args, err := c.parse(f, 0)
	if err != nil {
		return err
	}
	folder := "."
	if len(args) > 0 {
		folder = args[0]
	}
	at := *port
	if !strings.Contains(at, ":") {
		at = ":" + at
	}
	l, err := net.Listen("tcp", at)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "serves at %s\n", l.Addr())
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, func() { l.Close() })
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(webTime))
			answer(conn, folder, *text)
		}()
	}
}

// answer answers one request of HTTP/1.0 (RFC 1945).
func answer(conn net.Conn, folder, text string) {
	r := bufio.NewReader(io.LimitReader(conn, 64<<10))
	line, err := r.ReadString('\n')
	if err != nil {
		return
	}
	for head := ""; head != "\r\n" && head != "\n"; {
		if head, err = r.ReadString('\n'); err != nil {
			return
		}
	}
	say := func(status, body string) {
		fmt.Fprintf(conn, "HTTP/1.0 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, len(body), body)
	}
	words := strings.Fields(line)
	if len(words) < 2 || words[0] != "GET" {
		say("405 Method Not Allowed", "only GET\n")
		return
	}
	if text != "" {
		say("200 OK", text+"\n")
		return
	}
	where, err := url.Parse(words[1])
	if err != nil {
		say("400 Bad Request", "no such address\n")
		return
	}
	file, err := os.Open(filepath.Join(folder, path.Clean("/"+where.Path)))
	if err != nil {
		say("404 Not Found", "no such file\n")
		return
	}
	defer file.Close()
	st, err := file.Stat()
	if err == nil && st.IsDir() {
		list, _ := file.ReadDir(-1)
		var b strings.Builder
		for _, e := range list {
			b.WriteString(e.Name() + "\n")
		}
		say("200 OK", b.String())
		return
	}
	fmt.Fprint(conn, "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n")
	_, _ = io.Copy(conn, file) // the client sees the end
}

// wget prints what an address of the web answers, or writes it into a file.
func wget(c Call) error {
	f := c.flags("[-q] [-O FILE] [-T SECONDS] http://HOST[:PORT]/PATH")
	f.BoolP("quiet", "q", false, "for others' habits: there is nothing to be quiet about")
	out := f.StringP("output-document", "O", "-", "file; - is standard output")
	limit := f.IntP("timeout", "T", 20, "seconds")
	args, err := c.parse(f, 1)
	if err != nil {
		return err
	}
	where, err := url.Parse("http://" + strings.TrimPrefix(args[0], "http://"))
	if err != nil || where.Scheme != "http" {
		return usageError{fmt.Errorf("%s: only http addresses", args[0])}
	}
	port := where.Port()
	if port == "" {
		port = "80"
	}
	late := time.Now().Add(time.Duration(*limit) * time.Second)
	conn, err := (&net.Dialer{Deadline: late}).Dial("tcp", net.JoinHostPort(where.Hostname(), port))
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(late)
	fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nHost: %s\r\nConnection: close\r\n\r\n", where.RequestURI(), where.Host)
	r := bufio.NewReader(conn)
	status, err := r.ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	for head := ""; head != "\r\n" && head != "\n"; {
		if head, err = r.ReadString('\n'); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
	}
	if words := strings.Fields(status); len(words) < 2 || words[1] != "200" {
		return fmt.Errorf("server returned error: %s", strings.TrimSpace(status))
	}
	w := c.Stdout
	if *out != "-" {
		file, err := os.Create(*out)
		if err != nil {
			return err
		}
		defer file.Close()
		w = file
	}
	_, err = io.Copy(w, r)
	return err
}
