// Package logging says what --log-driver and --log-opt mean here. It is pure: the
// shim writes what it is told to.
//
//	driver, options → Read → wire.LogLimits → Options → the same again
//	wire.LogLimits + what is known of a container → Attributes → beside each line
//
// Served are json-file; local, which is rotated as moby does and lies on disk in
// json-file's form; and none. Source of words and defaults: moby's daemon/logger
// and its drivers.
package logging

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/docker/go-units"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// The drivers.
const (
	JSONFile = "json-file" // the default
	Local    = "local"
	None     = "none" // nothing is kept, and docker logs refused
)

// Drivers lists those that keep something, sorted.
func Drivers() []string { return []string{JSONFile, Local} }

// Read refuses what is not known or not served, by name; nil is the default.
// Code: bad-log.
func Read(driver string, options map[string]string) (*wire.LogLimits, error) {
	l := &wire.LogLimits{Driver: driver}
	switch driver {
	case "", JSONFile:
		l.Driver = ""
	case Local:
	case None:
		return l, nil // whatever the options are, as in moby
	default:
		return nil, bad("error looking up logging plugin %s: plugin %q not found", driver, driver)
	}
	for _, key := range slices.Sorted(maps.Keys(options)) {
		if err := set(l, key, options); err != nil {
			return nil, err
		}
	}
	if _, err := tagOf(l.Tag, About{}); err != nil {
		return nil, unusable("%v", err)
	}
	if *l == (wire.LogLimits{}) {
		return nil, nil
	}
	return l, nil
}

// set takes one of the options.
func set(l *wire.LogLimits, key string, options map[string]string) (err error) {
	value := options[key]
	switch key {
	case "max-size":
		if l.MaxSize, err = units.FromHumanSize(value); err != nil {
			return unusable("%v", err)
		}
		if l.MaxSize <= 0 {
			return unusable("max-size must be a positive number")
		}
	case "max-file":
		if l.MaxFile, err = strconv.Atoi(value); err != nil {
			return unusable("%v", err)
		}
		if l.MaxFile < 1 {
			return unusable("max-file cannot be less than 1")
		}
	case "compress":
		on, err := strconv.ParseBool(value)
		if err != nil {
			return unusable("%v", err)
		}
		if on {
			return notServed(key, value)
		}
	case "mode":
		switch value {
		case "", "blocking":
		case "non-blocking":
			return notServed(key, value)
		default:
			return bad("logger: logging mode not supported: %s", value)
		}
	case "max-buffer-size":
		if options["mode"] != "non-blocking" {
			return bad("logger: max-buffer-size option is only supported with 'mode=non-blocking'")
		}
		return notServed(key, value)
	case "labels":
		l.Labels = value
	case "labels-regex":
		l.LabelsRegex = value
		return pattern(value)
	case "env":
		l.Env = value
	case "env-regex":
		l.EnvRegex = value
		return pattern(value)
	case "tag":
		l.Tag = value
	default:
		return bad("unknown log opt '%s' for %s log driver", key, cmp.Or(l.Driver, JSONFile))
	}
	return nil
}

func pattern(text string) error {
	if _, err := regexp.Compile(text); err != nil {
		return unusable("%v", err)
	}
	return nil
}

func bad(format string, args ...any) error {
	return imagecore.NewError(imagecore.ErrInvalid, "bad-log", fmt.Sprintf(format, args...))
}

// unusable words what moby finds only when it starts the container.
func unusable(format string, args ...any) error {
	return bad("failed to initialize logging driver: "+format, args...)
}

func notServed(key, value string) error {
	return bad("log opt %s=%s is not served by layerlab", key, value)
}

// Options is Read the other way round.
func Options(l *wire.LogLimits) (driver string, options map[string]string) {
	options = map[string]string{}
	if l == nil {
		return JSONFile, options
	}
	put := func(key, value string) {
		if value != "" {
			options[key] = value
		}
	}
	if l.MaxSize > 0 {
		put("max-size", strconv.FormatInt(l.MaxSize, 10))
	}
	if l.MaxFile > 0 {
		put("max-file", strconv.Itoa(l.MaxFile))
	}
	put("labels", l.Labels)
	put("labels-regex", l.LabelsRegex)
	put("env", l.Env)
	put("env-regex", l.EnvRegex)
	put("tag", l.Tag)
	return cmp.Or(l.Driver, JSONFile), options
}

// Check is Read for what did not come as options.
func Check(l *wire.LogLimits) error {
	_, err := Read(Options(l))
	return err
}

// Rotation returns after how many bytes a file is rotated away, 0 for never, and
// how many are kept.
func Rotation(l *wire.LogLimits) (size int64, files int) {
	switch {
	case l == nil:
		return 0, 0
	case l.Driver == Local:
		return cmp.Or(l.MaxSize, 20_000_000), cmp.Or(l.MaxFile, 5)
	}
	return l.MaxSize, l.MaxFile
}
