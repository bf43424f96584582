package viewer

import (
	"fmt"
	"strings"
)

// withoutKeys holds keys back as long as they may become the whole sequence.
func withoutKeys(data, keys []byte, held int) (out []byte, now int, gone bool) {
	for _, b := range data {
		if b == keys[held] {
			if held++; held == len(keys) {
				return nil, 0, true
			}
			continue
		}
		out = append(out, keys[:held]...)
		held = 0
		if b == keys[0] {
			held = 1
			continue
		}
		out = append(out, b)
	}
	return out, held, false
}

// Keys reads "ctrl-p,ctrl-q".
func Keys(text string) ([]byte, error) {
	if text == "" {
		return []byte{'P' - '@', 'Q' - '@'}, nil
	}
	var keys []byte
	for key := range strings.SplitSeq(text, ",") {
		rest, ctrl := strings.CutPrefix(strings.ToLower(key), "ctrl-")
		switch {
		case len(key) == 1:
			keys = append(keys, key[0])
		case ctrl && len(rest) == 1 && strings.Contains("@abcdefghijklmnopqrstuvwxyz[\\]^_", rest):
			keys = append(keys, strings.ToUpper(rest)[0]-'@')
		default:
			return nil, fmt.Errorf("invalid detach keys (%s)", text)
		}
	}
	return keys, nil
}
