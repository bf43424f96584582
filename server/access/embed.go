package access

import (
	"fmt"
	"net/url"

	"github.com/layerlab/layerlab/imagecore"
)

// CheckOrigin refuses what is no origin of web pages: it stands in a header,
// where a path, a wildcard or a semicolon would mean something else. Code:
// bad-origin.
func CheckOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.Scheme+"://"+u.Host != origin ||
		!hostCharacters(u.Host) {
		return imagecore.NewError(imagecore.ErrInvalid, "bad-origin",
			fmt.Sprintf("--embed-origin %q: give scheme, host and port alone, such as https://course.example", origin), "origin", origin)
	}
	return nil
}

func hostCharacters(host string) bool {
	for _, c := range host {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == ':', c == '[', c == ']':
		default:
			return false
		}
	}
	return true
}
