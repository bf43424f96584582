package archive

import (
	"cmp"
	"context"
	"hash"
	"io"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/ahead"
	"github.com/layerlab/layerlab/imagecore/archive/outer"
	"github.com/layerlab/layerlab/imagecore/codec"
	"github.com/opencontainers/go-digest"
)

// maxHashers bounds how many layers are hashed at the same time: each may need
// the memory of a decompressor.
const maxHashers = 4

// Verify reads all of an image and compares every digest that the archive
// claims with what is there: the manifest's, the config's, and of each layer
// that of its stored bytes and its diffID. Layers are read at the same time, as
// far as there are processors, and once for all images that share them. tick,
// if set, is asked after each megabyte or so, by one goroutine at a time. The
// mismatch of the lowest layer is returned, an *imagecore.Error of kind
// ErrInvalid with the code "digest-mismatch" or "size-mismatch"; absent layers
// are passed over.
func (a *Archive) Verify(ctx context.Context, image int, tick func() error) error {
	if _, err := a.at(image, 0); image < 0 || image >= len(a.images) {
		return err
	}
	img := a.images[image]
	if len(img.broken) > 0 {
		return img.broken[0]
	}
	var mu sync.Mutex
	ask := func() error {
		mu.Lock()
		defer mu.Unlock()
		if err := ctx.Err(); err != nil || tick == nil {
			return err
		}
		return tick()
	}
	jobs, err := a.toSum(img)
	if err != nil {
		return err
	}
	if err := a.sumAll(jobs, ask); err != nil {
		return err
	}
	slices.SortFunc(jobs, func(x, y *sumJob) int { return cmp.Compare(x.layer, y.layer) })
	for _, j := range jobs {
		if j.err != nil {
			return inLayer(j.err, j.layer)
		}
	}
	for i, b := range img.blobs {
		if b == nil {
			continue
		}
		if err := a.known(keyOf(&img.Layers[i], b)).compare(&img.Layers[i], b); err != nil {
			return inLayer(err, i)
		}
	}
	return nil
}

// sumKey names what is hashed, and how.
type sumKey struct {
	blob        *blob
	stored, tar digest.Algorithm // "" where nothing is claimed
}

func keyOf(l *imagecore.Layer, b *blob) sumKey {
	k := sumKey{blob: b, tar: l.DiffID.Algorithm()}
	if l.Digest != "" {
		k.stored = l.Digest.Algorithm()
	}
	return k
}

// sums are the digests that a blob has.
type sums struct {
	stored, tar digest.Digest
	size        int64 // bytes that were there
}

// known returns what an earlier pass found; the zero value for nothing.
func (a *Archive) known(k sumKey) sums {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sums[k]
}

// compare holds the digests against what the archive claims.
func (s sums) compare(l *imagecore.Layer, b *blob) error {
	if s.size != b.file.Size {
		return imagecore.NewError(imagecore.ErrInvalid, "truncated", "the layer ends early",
			"want", strconv.FormatInt(b.file.Size, 10), "got", strconv.FormatInt(s.size, 10))
	}
	if l.Digest != "" {
		if err := (claim{what: "the layer as stored", want: l.Digest, got: s.stored, size: -1}).mismatch(); err != nil {
			return err
		}
	}
	if err := (claim{what: "the layer's tar", want: l.DiffID, got: s.tar, size: -1}).mismatch(); err != nil {
		return err
	}
	return nil
}

// sumJob is a blob to be hashed, for the first layer that it is.
type sumJob struct {
	sumKey
	layer int
	err   error
}

// toSum lists what is to be hashed of an image, in the order of the archive.
func (a *Archive) toSum(img *image) ([]*sumJob, error) {
	var jobs []*sumJob
	listed := map[sumKey]bool{}
	for i, b := range img.blobs {
		if b == nil {
			continue
		}
		k := keyOf(&img.Layers[i], b)
		for _, alg := range []digest.Algorithm{k.stored, k.tar} {
			if alg != "" && !alg.Available() {
				err := imagecore.NewError(imagecore.ErrUnsupported, "unsupported-digest",
					"digests by "+alg.String()+" cannot be computed: sha256, sha384 and sha512 can", "algorithm", alg.String())
				return nil, err.In(i)
			}
		}
		if !listed[k] && a.known(k) == (sums{}) {
			listed[k] = true
			jobs = append(jobs, &sumJob{sumKey: k, layer: i})
		}
	}
	slices.SortStableFunc(jobs, func(x, y *sumJob) int { return cmp.Compare(x.blob.file.Offset, y.blob.file.Offset) })
	return jobs, nil
}

// sumAll does the jobs: at the same time where each blob can be read by itself,
// in one pass where the archive as a whole is compressed. Errors of a job stay
// with it; the error returned is that of reading the archive.
func (a *Archive) sumAll(jobs []*sumJob, ask func() error) error {
	if len(jobs) == 0 {
		return nil
	}
	if _, at, err := a.files.At(jobs[0].blob.file); err != nil {
		return err
	} else if !at {
		var files []outer.File
		for _, j := range jobs {
			files = append(files, j.blob.file)
		}
		n := -1
		err := a.files.Each(files, func(r io.Reader) error {
			n++
			a.sum(jobs[n], r, ask)
			return jobs[n].err
		})
		if n >= 0 && jobs[n].err != nil {
			return nil
		}
		return err
	}
	next := make(chan *sumJob, len(jobs))
	for _, j := range jobs {
		next <- j
	}
	close(next)
	var all sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), maxHashers, len(jobs)) {
		all.Go(func() {
			for j := range next {
				src, _, err := a.files.At(j.blob.file)
				if err != nil {
					j.err = err
					continue
				}
				a.sum(j, io.NewSectionReader(src, 0, j.blob.file.Size), ask)
			}
		})
	}
	all.Wait()
	return nil
}

// sum hashes a blob and its tar in one pass over its stored bytes.
func (a *Archive) sum(j *sumJob, stored io.Reader, ask func() error) {
	s, err := sumOf(j.sumKey, ticking{stored, ask}, a.o.Limits)
	if err != nil {
		j.err = err
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sums == nil {
		a.sums = map[sumKey]sums{}
	}
	a.sums[j.sumKey] = s
}

func sumOf(k sumKey, stored io.Reader, limits imagecore.Limits) (sums, error) {
	tarHash := k.tar.Hash()
	if k.blob.compression == codec.None {
		// The same bytes: hashed once where one algorithm is asked for.
		var w io.Writer = tarHash
		storedHash := tarHash
		if k.stored != "" && k.stored != k.tar {
			storedHash = k.stored.Hash()
			w = io.MultiWriter(tarHash, storedHash)
		}
		n, err := copyAhead(w, stored)
		return sums{digestOf(k.stored, storedHash), digestOf(k.tar, tarHash), n}, err
	}
	all := &counted{r: stored}
	var storedHash hash.Hash
	if k.stored != "" {
		storedHash = k.stored.Hash()
		all.hash = storedHash
	}
	tar, _, err := codec.NewReader(all, limits)
	if err != nil {
		return sums{}, err
	}
	defer tar.Close()
	if _, err := copyAhead(tarHash, tar); err != nil {
		return sums{}, err
	}
	// What follows the compressed stream belongs to the blob as well.
	if _, err := io.Copy(io.Discard, all); err != nil {
		return sums{}, err
	}
	return sums{digestOf(k.stored, storedHash), digestOf(k.tar, tarHash), all.n}, nil
}

// copyAhead copies with reading and hashing on a processor each.
func copyAhead(w io.Writer, src io.Reader) (int64, error) {
	r := ahead.New(src)
	defer r.Close()
	return r.WriteTo(w)
}

func digestOf(a digest.Algorithm, h hash.Hash) digest.Digest {
	if a == "" {
		return ""
	}
	return digest.NewDigest(a, h)
}
