//go:build linux

package unpack

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/runtime/confine"
	"github.com/layerlab/layerlab/runtime/snapshot"
)

// Word is what layerlab-runtime calls Main by.
const Word = "unpack"

// Program is layerlab-runtime, sealed (sealed.Copy).
type Program struct{ Executable *os.File }

// Unpack makes the folder of a layer as snapshot.Unpack does, in a process that
// is confined to it. It may be called concurrently.
func (p Program) Unpack(ctx context.Context, dir string, t *tree.Tree, layer int, content func(layer int) (io.ReaderAt, error), o snapshot.UnpackOptions) error {
	changes := t.Changeset(layer)
	j := job{Shift: o.Shift}
	files, drop, err := j.sources(changes, content, filepath.Dir(dir))
	if err == nil {
		defer drop()
		err = snapshot.Make(dir, func(root *os.File) error {
			return p.execute(ctx, root, j, files, snapshot.Located(t, changes), o)
		})
	}
	if err != nil {
		return fmt.Errorf("unpack layer %d: %w", layer, err)
	}
	return nil
}

// sources finds the files that hold the tars which the changes need. drop closes
// those that were made for it.
func (j *job) sources(changes []tree.LayerChange, content func(layer int) (io.ReaderAt, error), beside string) (files []*os.File, drop func(), err error) {
	var made []*os.File
	drop = func() {
		for _, f := range made {
			f.Close()
		}
	}
	seen := map[int]bool{}
	for i := range changes {
		c := &changes[i]
		if c.Kind != imagecore.File || c.Size == 0 || seen[c.Content.Layer] {
			continue
		}
		seen[c.Content.Layer] = true
		at, err := content(c.Content.Layer)
		if err != nil {
			drop()
			return nil, nil, fmt.Errorf("content in layer %d: %w", c.Content.Layer, err)
		}
		f, offset, size, ok := fileOf(at)
		if !ok {
			if f, size, err = copyOf(at, beside); err != nil {
				drop()
				return nil, nil, fmt.Errorf("content in layer %d: %w", c.Content.Layer, err)
			}
			made = append(made, f)
		}
		j.Tars = append(j.Tars, source{Layer: c.Content.Layer, Offset: offset, Size: size})
		files = append(files, f)
	}
	return files, drop, nil
}

// fileOf finds the open file that a reader reads, and which part of it.
func fileOf(at io.ReaderAt) (f *os.File, offset, size int64, ok bool) {
	size = 1<<63 - 1
	for {
		switch r := at.(type) {
		case *os.File:
			return r, offset, size, true
		case *io.SectionReader:
			inner, from, n := r.Outer()
			at, offset, size = inner, offset+from, min(n, size)
		default:
			return nil, 0, 0, false
		}
	}
}

// copyOf copies what can't be handed to another process to a nameless file.
func copyOf(at io.ReaderAt, dir string) (*os.File, int64, error) {
	f, err := os.CreateTemp(dir, snapshot.PartialPrefix)
	if err != nil {
		return nil, 0, err
	}
	n, err := io.Copy(f, io.NewSectionReader(at, 0, 1<<63-1))
	if err = errors.Join(err, os.Remove(f.Name())); err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, n, nil
}

// execute runs the process on a list, to its end.
func (p Program) execute(ctx context.Context, root *os.File, j job, files []*os.File, items iter.Seq2[*snapshot.Item, error], o snapshot.UnpackOptions) error {
	line, err := json.Marshal(j)
	if err != nil {
		return err
	}
	answers, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	defer answers.Close()
	cmd := confine.Command(p.Executable, Word, nil, nil, append([]*os.File{root, theirs}, files...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	theirs.Close()
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	release := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer release()
	sent := make(chan error, 1)
	go func() {
		w := bufio.NewWriterSize(in, 256<<10)
		_, err := w.Write(append(line, '\n'))
		if err == nil {
			err = (&encoder{w: w}).list(items)
		}
		sent <- errors.Join(err, in.Close())
	}()
	err = receive(answers, o)
	if err != nil {
		_ = cmd.Process.Kill()
	}
	sendErr := <-sent
	return ended(ctx, err, sendErr, cmd.Wait(), stderr.Bytes())
}

// errBroke stands for a process that ended without a last word.
var errBroke = errors.New("the process broke off") // never changed

// receive hears the process out.
func receive(answers io.Reader, o snapshot.UnpackOptions) error {
	for in := json.NewDecoder(answers); ; {
		var a answer
		if err := in.Decode(&a); err != nil {
			return errBroke
		}
		switch {
		case a.Failure != nil:
			return a.Failure.Err()
		case a.Done:
			return nil
		case a.Xattr != nil && o.Skipped != nil:
			o.Skipped(string(a.Path), string(a.Xattr))
		case a.Written > 0 && o.Progress != nil:
			o.Progress(a.Written)
		}
	}
}

// ended says why the work ended: the first cause that is known.
func ended(ctx context.Context, err, sendErr, waitErr error, stderr []byte) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case sendErr != nil && !errors.Is(sendErr, unix.EPIPE):
		return sendErr // the list itself is wrong
	case !errors.Is(err, errBroke):
		return err
	case errors.As(waitErr, &exit):
		e := fault.New(fault.ErrHost, "unpack-failed", "the process that unpacks broke off: "+exit.Error())
		if text := bytes.TrimSpace(stderr); len(text) > 0 {
			e.Err = fmt.Errorf("%.500q", text)
		}
		return e
	}
	return errors.Join(err, sendErr, waitErr)
}
