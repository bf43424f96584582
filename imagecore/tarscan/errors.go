package tarscan

import (
	"strconv"

	"github.com/layerlab/layerlab/imagecore"
)

// bad is a header that archive/tar would refuse as well.
func bad(message string, args ...string) *imagecore.Error {
	return imagecore.NewError(imagecore.ErrInvalid, "bad-header", message, args...)
}

// badSparse is a map of a sparse file that contradicts itself.
func badSparse(message string) *imagecore.Error {
	return imagecore.NewError(imagecore.ErrInvalid, "bad-sparse", message)
}

// truncated is a tar that ends where it must not.
func truncated(message string, want, got int64) *imagecore.Error {
	return imagecore.NewError(imagecore.ErrInvalid, "truncated",
		message+": "+strconv.FormatInt(want, 10)+" bytes expected, "+strconv.FormatInt(got, 10)+" there",
		"want", strconv.FormatInt(want, 10), "got", strconv.FormatInt(got, 10))
}

// tooLarge is a limit that was crossed.
func tooLarge[T int | int64](code, message string, value, limit T) *imagecore.Error {
	v, l := strconv.FormatInt(int64(value), 10), strconv.FormatInt(int64(limit), 10)
	return imagecore.NewError(imagecore.ErrTooLarge, code, message+" ("+v+" > "+l+")", "value", v, "limit", l)
}
