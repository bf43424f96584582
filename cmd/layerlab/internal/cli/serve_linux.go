package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/term"

	"github.com/layerlab/layerlab/cmd/layerlab/embedded"
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/rootless"
	"github.com/layerlab/layerlab/runtime/snapshot"
	"github.com/layerlab/layerlab/sandbox"
	"github.com/layerlab/layerlab/server/serve"
	"github.com/layerlab/layerlab/server/store"
)

// defaultRun is /run/layerlab for root, else in the user's run folder.
func defaultRun() string {
	if isRoot() {
		return "/run/layerlab"
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "layerlab")
	}
	return ""
}

// serve runs the server until ctx ends.
func (r *run) serve(ctx context.Context, f *serveFlags) error {
	helper, err := embedded.Helper()
	if err != nil {
		return err
	}
	inside, cannotRun, err := r.enter(ctx, f, helper)
	if err != nil {
		return err
	}
	var read store.Reader
	var prepare func(context.Context) error
	switch f.read {
	case "sandbox":
		modules, err := f.modules()
		if err != nil {
			return err
		}
		o := sandbox.Options{
			Command: sandboxChild, Cache: modules,
			Limits: f.limits.guest(), Memory: int64(f.limits.memory), Time: f.limits.time,
		}
		read = serve.Sandboxed(o, f.data)
		prepare = func(ctx context.Context) error { return sandbox.Prepare(ctx, o) }
	case "native":
	default:
		return usageError{fmt.Errorf("--read is sandbox or native, not %q", f.read)}
	}
	if err := f.network.check(); err != nil {
		return err
	}
	var egress []byte
	if f.network.egress == egressAllow {
		if egress, err = embedded.Egress(); err != nil {
			return err
		}
	}
	var samples []serve.Sample
	if !f.noSamples {
		if samples, err = serveSamples(); err != nil {
			return err
		}
	}
	err = serve.Run(ctx, serve.Options{
		Listen: f.listen, Data: f.data, RunDir: f.run, DockerSocket: f.dockerSocket,
		Token: f.token, TokenFile: f.tokenFile, AllowHosts: f.allowHosts, EmbedOrigins: f.embed,
		TLSCert: f.tlsCert, TLSKey: f.tlsKey, BehindProxy: f.behindProxy,
		Limits: f.limits.limits(), Read: read, Prepare: prepare, Runtime: helper, Samples: samples, Teaching: f.teaching,
		AllowBind: f.allowBind, AllowDevices: f.allowDev, AllowUnconfined: f.allowUnconfined, Rootfs: snapshot.Method(f.rootfs),
		Rootless: inside, CannotRun: cannotRun,
		Runtimes: f.runtimes, DefaultRuntime: f.defaultRuntime,
		Version: r.Version, Log: logger(r.Stderr),
		Network: serve.NetworkOptions{
			Bridge: f.network.bridge, Publish: f.network.publish, AllowHost: f.network.allowHost,
			Egress: egress, EgressAllow: f.network.egressAllow,
		},
		Started: func(url string) {
			fmt.Fprintf(r.out, "layerlab %s serves at %s\n", r.Version, url)
			_ = r.out.Flush() // who closed standard output does not want the line
		},
	})
	// What the settings contradict is no refused input.
	if e, ok := errors.AsType[*imagecore.Error](err); ok && slices.Contains([]string{"bad-listen", "listen-refused", "tls-half", "bad-origin", "bad-setting"}, e.Code) {
		return usageError{err}
	}
	return err
}

// enter runs this program again in a user namespace where an ordinary user is
// root. cannotRun says why it could not: images can be looked at all the same.
func (r *run) enter(ctx context.Context, f *serveFlags, helper []byte) (inside bool, cannotRun, err error) {
	if inside, err := rootless.Inside(); inside || err != nil || os.Geteuid() == 0 {
		return inside, nil, err
	}
	facts := rootless.Gather()
	if missing := rootless.Findings(facts); len(missing) > 0 {
		all := make([]error, 0, len(missing))
		for _, m := range missing[1:] {
			all = append(all, m)
		}
		missing[0].Err = errors.Join(all...)
		return false, missing[0], nil
	}
	dir := f.run
	if dir == "" {
		dir = filepath.Join(f.data, "run")
	}
	return false, rootless.Enter(ctx, dir, helper, facts), nil
}

// modules makes sure of the folder of translated modules. What lies there is run
// by the sandbox, so it may be no one else's to write.
func (f *serveFlags) modules() (string, error) {
	if f.moduleCache == "" {
		return filepath.Join(f.data, "modules"), nil
	}
	if err := os.MkdirAll(f.moduleCache, 0o700); err != nil {
		return "", fmt.Errorf("--module-cache: %w", err)
	}
	info, err := os.Stat(f.moduleCache)
	if err != nil {
		return "", fmt.Errorf("--module-cache: %w", err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm()&0o022 != 0 || int(owner.Uid) != os.Geteuid() {
		return "", usageError{fmt.Errorf("--module-cache %s: it has to be a folder of this user that no one else can write to: chmod 0700 it", f.moduleCache)}
	}
	return f.moduleCache, nil
}

func serveSamples() ([]serve.Sample, error) {
	embeddedSamples, err := embedded.Samples()
	if err != nil {
		return nil, err
	}
	var samples []serve.Sample
	for _, s := range embeddedSamples {
		samples = append(samples, serve.Sample{Name: s.Name, Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(s.Tar)), nil
		}})
	}
	return samples, nil
}

// logger writes JSON, and text for people where they look on.
func logger(w io.Writer) *slog.Logger {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return slog.New(slog.NewTextHandler(w, nil))
	}
	return slog.New(slog.NewJSONHandler(w, nil))
}
