//go:build linux

package recording

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

// finish keeps a recording that is over, and tells of it.
func (s *Service) finish(rec *recorder) {
	rec.mu.Lock()
	why := rec.why
	if why == "" {
		why = wire.EndedServer
	}
	size, seconds := rec.cast.size, rec.cast.last.Seconds()
	rec.mu.Unlock()

	s.mu.Lock()
	r := s.all[rec.r.ID]
	r.Ended, r.Bytes, r.Seconds = why, size, seconds
	kept := *r
	delete(s.active, r.ID)
	s.mu.Unlock()
	if err := s.keep(kept); err != nil {
		s.o.Log.Error("recording's end not kept", "recording", kept.ID, "err", err)
	}
	s.tell(kept.ID, kept)
}

// keep writes what is known of a recording beside its file, whole or not at all.
func (s *Service) keep(r wire.Recording) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	path := filepath.Join(s.folder(r.ID), "recording.json")
	if err := os.WriteFile(path+".partial", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".partial", path)
}

// restore reads a recording; one that was under way ends with its last line.
func (s *Service) restore(id string) (*wire.Recording, error) {
	data, err := os.ReadFile(filepath.Join(s.folder(id), "recording.json"))
	if err != nil {
		return nil, err
	}
	var r wire.Recording
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, err
	}
	if r.ID != id {
		return nil, fmt.Errorf("it calls itself %q", r.ID)
	}
	if r.Ended != "" {
		return &r, nil
	}
	r.Ended = wire.EndedServer
	if r.Bytes, r.Seconds, err = mend(s.file(id)); err != nil {
		return nil, err
	}
	return &r, s.keep(r)
}

// mend cuts a file after its last whole line, and tells its length and the time
// of that line.
func mend(path string) (size int64, seconds float64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	var last []byte
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, 0, err
		}
		size += int64(len(line))
		last = line
	}
	if size == 0 {
		return 0, 0, errors.New("not a line of it was written")
	}
	if err := f.Truncate(size); err != nil {
		return 0, 0, err
	}
	var event []json.RawMessage
	if json.Unmarshal(bytes.TrimSpace(last), &event) == nil && len(event) > 0 { // else it is the header
		if err := json.Unmarshal(event[0], &seconds); err != nil {
			return 0, 0, err
		}
	}
	return size, seconds, nil
}
