// Command layerlab-sample writes the sample images as docker save archives,
// sample.tar and other.tar, into a folder, and beside them cases.tar.gz: the
// small images that engines unpack differently, for the page's merge player.
//
//	layerlab-sample -userland bin/layerlab-userland -o bin/samples
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/layerlab/layerlab/cmd/layerlab-sample/internal/story"
	"github.com/layerlab/layerlab/cmd/layerlab-userland/names"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/pack"
)

func main() {
	userland := flag.String("userland", "", "the program layerlab-userland, static")
	folder := flag.String("o", ".", "folder for sample.tar and other.tar")
	arch := flag.String("arch", runtime.GOARCH, "processor that the program is built for")
	flag.Parse()
	if err := run(*userland, *folder, *arch); err != nil {
		fmt.Fprintln(os.Stderr, "layerlab-sample:", err)
		os.Exit(1)
	}
}

func run(userland, folder, arch string) error {
	if userland == "" {
		return errors.New("name the program by -userland")
	}
	program, err := os.ReadFile(userland)
	if err != nil {
		return err
	}
	images, err := story.Images(program, names.All(), arch)
	if err != nil {
		return err
	}
	for _, image := range images {
		if err := write(filepath.Join(folder, image.Name+".tar"), image.Image); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(folder, "cases.tar.gz"), cases(), 0o644)
}

// cases returns one archive with an image for each case.
func cases() []byte {
	a := imagetest.Archive{Format: imagetest.DockerSave, Gzip: true}
	for _, c := range imagetest.EngineCases() {
		a.Images = append(a.Images, imagetest.Image{Stack: c.Stack, Refs: []string{"case/" + c.Name + ":latest"}})
	}
	return a.Bytes()
}

func write(path string, image pack.Image) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := pack.DockerSave(w, []pack.Image{image}); err != nil {
		return err
	}
	return w.Flush()
}
