package health

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Parse reads what follows the word HEALTHCHECK of a Dockerfile:
//
//	[--interval=30s] [--timeout=…] [--start-period=…] [--start-interval=…] [--retries=3] CMD line | CMD ["word", …]
//	NONE
func Parse(text string) (*Check, error) {
	c := &Check{}
	word, rest := first(text)
	for ; strings.HasPrefix(word, "--"); word, rest = first(rest) {
		if err := c.flag(word); err != nil {
			return nil, err
		}
	}
	switch kind := strings.ToUpper(word); {
	case kind == "NONE" && rest == "":
		c.Test = []string{"NONE"}
	case kind == "NONE":
		return nil, fmt.Errorf("HEALTHCHECK NONE takes no arguments")
	case kind != "CMD":
		return nil, bad("Unknown type %q in HEALTHCHECK (try CMD)", kind)
	case rest == "":
		return nil, bad("Missing command after HEALTHCHECK CMD")
	default:
		var words []string
		if json.Unmarshal([]byte(rest), &words) == nil {
			c.Test = append([]string{"CMD"}, words...)
		} else {
			c.Test = []string{"CMD-SHELL", rest}
		}
	}
	return c, c.Valid()
}

// first cuts the first word off.
func first(text string) (word, rest string) {
	word, rest, _ = strings.Cut(strings.TrimSpace(text), " ")
	return word, strings.TrimSpace(rest)
}

// flag takes one --name=value.
func (c *Check) flag(text string) (err error) {
	name, value, ok := strings.Cut(strings.TrimPrefix(text, "--"), "=")
	if !ok {
		return fmt.Errorf("missing a value on flag: --%s", name)
	}
	if name == "retries" {
		c.Retries, err = strconv.Atoi(value)
		return err
	}
	at, ok := map[string]*time.Duration{
		"interval": &c.Interval, "timeout": &c.Timeout, "start-period": &c.StartPeriod, "start-interval": &c.StartInterval,
	}[name]
	if !ok {
		return fmt.Errorf("unknown flag: --%s", name)
	}
	*at, err = time.ParseDuration(value)
	return err
}
