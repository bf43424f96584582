package codec

import (
	"bufio"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
)

// members reads gzip members one after the other (RFC 1952 section 2.2), as
// pigz and estargz write them, and zeros that pad the stream to some block
// size, as tapes and `dd` do. Anything else after a member is an error.
type members struct {
	in *bufio.Reader
	z  *gzip.Reader
}

var errTrailing = errors.New("something that is not gzip follows the stream")

func (m *members) Read(p []byte) (int, error) {
	for {
		if m.z == nil {
			z, err := gzip.NewReader(m.in)
			if err != nil {
				return 0, early(err)
			}
			m.z = z
			m.z.Multistream(false)
		}
		n, err := m.z.Read(p)
		if err != io.EOF {
			return n, err
		}
		more, err := m.next()
		if err != nil || !more {
			if err == nil {
				err = io.EOF
			}
			return n, err
		}
		if n > 0 {
			return n, nil
		}
	}
}

// next moves to the member that follows, if there is one.
func (m *members) next() (bool, error) {
	head, err := m.in.Peek(2)
	if err != nil && err != io.EOF {
		return false, err
	}
	if len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b {
		if err := m.z.Reset(m.in); err != nil {
			return false, early(err)
		}
		m.z.Multistream(false)
		return true, nil
	}
	for {
		c, err := m.in.ReadByte()
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if c != 0 {
			return false, errTrailing
		}
	}
}

// early turns an end of the stream within a header into what it is.
func early(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
