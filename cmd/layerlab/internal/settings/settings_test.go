package settings_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"

	"github.com/layerlab/layerlab/cmd/layerlab/internal/settings"
)

func TestFlagBeatsEnvironmentBeatsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings")
	if err := os.WriteFile(path, []byte("# a comment\na = file\nb = file\nc-d= file \n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := settings.Read(path, true)
	if err != nil {
		t.Fatal(err)
	}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	a, b := flags.String("a", "default", ""), flags.String("b", "default", "")
	cd, e := flags.String("c-d", "default", ""), flags.String("e", "default", "")
	if err := flags.Parse([]string{"--a=flag"}); err != nil {
		t.Fatal(err)
	}
	environment := map[string]string{"LAYERLAB_A": "environment", "LAYERLAB_B": "environment"}
	lookup := func(name string) (string, bool) { v, ok := environment[name]; return v, ok }
	if err := settings.Apply(flags, lookup, file, func(name string) bool { return flags.Lookup(name) != nil }); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ got, want string }{{*a, "flag"}, {*b, "environment"}, {*cd, "file"}, {*e, "default"}} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestUnknownSettingIsRefusedWithItsLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings")
	if err := os.WriteFile(path, []byte("\nlisen = x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := settings.Read(path, true)
	if err != nil {
		t.Fatal(err)
	}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	err = settings.Apply(flags, os.LookupEnv, file, func(string) bool { return false })
	if want := path + ` line 2: no setting is named "lisen"`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1048576": 1 << 20, "64K": 64 << 10, "64KiB": 64 << 10, "64kb": 64 << 10, "1.5G": 3 << 29, "2T": 2 << 40, "12B": 12,
	} {
		got, err := settings.ParseSize(text)
		if err != nil || got != want {
			t.Errorf("%s: got %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "K", "-1", "1X", "1e300", "NaN", "9P9"} {
		if n, err := settings.ParseSize(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, n)
		}
	}
	for size, want := range map[settings.Size]string{0: "0", 1000: "1000", 64 << 30: "64GiB", 1536 << 10: "1536KiB"} {
		if got := size.String(); got != want {
			t.Errorf("%d: got %s, want %s", int64(size), got, want)
		}
	}
}
