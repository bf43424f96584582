package words

import (
	"regexp"
	"strings"
	"testing"
)

func TestEveryEntryIsWhole(t *testing.T) {
	manual := regexp.MustCompile(`^[\w-]+\(\d\)(, [\w-]+\(\d\))*$`)
	for _, code := range Codes() {
		e, ok := Of(code)
		if !ok || e.Words == "" || e.Reason == "" || e.Without == "" || !manual.MatchString(e.Man) {
			t.Errorf("%s: %+v", code, e)
		}
		for _, text := range []string{e.Words, e.Reason, e.Without} {
			if strings.HasSuffix(text, ".") || text != strings.TrimSpace(text) {
				t.Errorf("%s: %q", code, text)
			}
		}
	}
	if _, ok := Of("no-such-step"); ok {
		t.Error("an unknown code has words")
	}
}
