package settings

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes as a flag: 1048576, 64K, 64MiB, 1.5G. Units are
// powers of 1024.
type Size int64

// String shows the largest unit that divides the size.
func (s *Size) String() string {
	n := int64(*s)
	for i, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		size := int64(1) << (10 * (4 - i))
		if n != 0 && n%size == 0 {
			return strconv.FormatInt(n/size, 10) + unit
		}
	}
	return strconv.FormatInt(n, 10)
}

// Type names the value in a command's help.
func (s *Size) Type() string { return "SIZE" }

// Set parses text.
func (s *Size) Set(text string) error {
	n, err := ParseSize(text)
	if err != nil {
		return err
	}
	*s = Size(n)
	return nil
}

// ParseSize reads a number of bytes.
func ParseSize(text string) (int64, error) {
	digits := strings.TrimRight(strings.ToUpper(strings.TrimSpace(text)), "IB")
	factor := 1.0
	if n := len(digits); n > 0 {
		if i := strings.IndexByte("KMGTP", digits[n-1]); i >= 0 {
			factor = math.Pow(1024, float64(i+1))
			digits = digits[:n-1]
		}
	}
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil || f < 0 || math.IsNaN(f) || f*factor >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is not a size such as 1048576, 64K, 512MiB or 1.5G", text)
	}
	return int64(f * factor), nil
}
