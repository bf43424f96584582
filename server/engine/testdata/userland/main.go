// Command userland is all that the test image's containers can run: a few
// commands, one a line on standard input, or one as arguments.
package main

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) > 1 {
		run(os.Args[1:])
		return
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	go func() {
		for range interrupted {
			fmt.Println("interrupted")
		}
	}()
	fmt.Println("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if words := strings.Fields(lines.Text()); len(words) > 0 {
			run(words)
		}
	}
}

func run(words []string) {
	var err error
	args := append(words[1:], "", "")
	switch words[0] {
	case "echo":
		fmt.Println(strings.Join(words[1:], " "))
	case "write":
		err = os.WriteFile(args[0], []byte(strings.Join(words[2:], " ")), 0o640)
	case "append":
		var f *os.File
		if f, err = os.OpenFile(args[0], os.O_APPEND|os.O_WRONLY, 0); err == nil {
			_, err = f.WriteString(args[1])
			f.Close()
		}
	case "fill":
		var f *os.File
		if f, err = os.Create(args[0]); err == nil {
			for piece := make([]byte, 1<<20); err == nil; {
				_, err = f.Write(piece)
			}
			f.Close()
		}
	case "rm":
		err = os.RemoveAll(args[0])
	case "mkdir":
		err = os.Mkdir(args[0], 0o755)
	case "cat":
		var data []byte
		data, err = os.ReadFile(args[0])
		os.Stdout.Write(data)
		fmt.Println()
	case "find":
		err = filepath.WalkDir(args[0], func(p string, _ fs.DirEntry, err error) error {
			fmt.Println(p)
			return err
		})
	case "id":
		groups, _ := os.Getgroups()
		wd, _ := os.Getwd()
		host, _ := os.Hostname()
		fmt.Println("uid", os.Getuid(), "gid", os.Getgid(), "groups", groups, "cwd", wd, "host", host, "home", os.Getenv("HOME"), "pid", os.Getpid())
	case "size":
		var w *unix.Winsize
		if w, err = unix.IoctlGetWinsize(0, unix.TIOCGWINSZ); err == nil {
			fmt.Printf("size %dx%d\n", w.Col, w.Row)
		}
	case "mount":
		err = unix.Mount("none", "/mnt", "tmpfs", 0, "")
	case "yes":
		for {
			if _, err := os.Stdout.WriteString("yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n"); err != nil {
				return
			}
		}
	case "exit":
		code, _ := strconv.Atoi(args[0])
		os.Exit(code)
	default:
		err = fmt.Errorf("unknown")
	}
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println("done", words[0])
}
