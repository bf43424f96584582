// Command probe is the program of the test containers: statically linked, it
// does what its first argument says.
package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
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
	case "wait":
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGTERM)
		fmt.Println("ready")
		<-c
		os.Exit(5)
	}
}
