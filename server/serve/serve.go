//go:build linux

package serve

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/sealed"
	"github.com/layerlab/layerlab/runtime/snapshot"
	"github.com/layerlab/layerlab/runtime/watch"
	"github.com/layerlab/layerlab/server/access"
	"github.com/layerlab/layerlab/server/activity"
	"github.com/layerlab/layerlab/server/engine"
	"github.com/layerlab/layerlab/server/engine/idrange"
	"github.com/layerlab/layerlab/server/engine/networks"
	"github.com/layerlab/layerlab/server/engine/reach"
	"github.com/layerlab/layerlab/server/engine/runtimes"
	"github.com/layerlab/layerlab/server/events"
	"github.com/layerlab/layerlab/server/recording"
	"github.com/layerlab/layerlab/server/sharing"
	"github.com/layerlab/layerlab/server/store"
	"github.com/layerlab/layerlab/server/terminal"
	"github.com/layerlab/layerlab/server/webui"
)

// grace is how long requests may go on after the server was told to end.
const grace = 10 * time.Second

// Run serves until ctx ends, and then ends gracefully: containers run on.
func Run(ctx context.Context, o Options) error {
	if o.Limits == (imagecore.Limits{}) {
		o.Limits = imagecore.DefaultLimits()
	}
	s := &server{o: o, log: o.Log}
	err := s.run(ctx)
	return errors.Join(err, s.close())
}

// server is what runs, with what has to be closed in the reverse order.
type server struct {
	o       Options
	log     *slog.Logger
	closers []func() error

	store      *store.Store
	bus        *events.Bus
	activity   *activity.Recorder
	engine     *engine.Service
	networks   *networks.Service
	terminals  *terminal.Handler
	recordings *recording.Service
	shares     *sharing.Service
	gate       *access.Gate
	method     snapshot.Method
	runtimes   runtimes.Set
	shared     *idrange.Range // of all containers, on a host without idmapped mounts
	cannotRun  error
	ready      ready
}

func (s *server) onClose(f func() error) { s.closers = append(s.closers, f) }

func (s *server) close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	return errors.Join(errs...)
}

func (s *server) run(ctx context.Context) error {
	token, err := s.prepare()
	if err != nil {
		return err
	}
	listener, err := s.listen()
	if err != nil {
		return err
	}
	s.onClose(func() error { return ignoreClosed(listener.Close()) })
	if err := s.openServices(ctx); err != nil {
		return err
	}
	s.gate, err = access.New(access.Config{
		Token:    token,
		Sessions: access.Keep(s.store.Bucket("sessions"), time.Now),
		Hosts:    s.hosts(), TLS: s.o.TLSCert != "", BehindProxy: s.o.BehindProxy,
		Guarded: s.guarded(), Embed: s.o.EmbedOrigins, Now: time.Now,
		Refuse: s.refuse,
	})
	if err != nil {
		return err
	}
	docker := s.dockerHandler()
	handler, err := s.handler(docker)
	if err != nil {
		return err
	}
	s.storeSamples(ctx)
	if err := s.openDocker(docker); err != nil {
		return err
	}
	return s.serve(ctx, listener, handler)
}

// prepare checks what can be checked before anything is opened.
func (s *server) prepare() (token string, err error) {
	if (s.o.TLSCert == "") != (s.o.TLSKey == "") {
		return "", imagecore.NewError(imagecore.ErrInvalid, "tls-half", "--tls-cert and --tls-key go together")
	}
	for _, origin := range s.o.EmbedOrigins {
		if err := access.CheckOrigin(origin); err != nil {
			return "", err
		}
	}
	if s.runtimes, err = runtimes.Find(s.o.Runtimes, s.o.DefaultRuntime, exec.LookPath); err != nil {
		return "", err
	}
	if s.o.RunDir == "" {
		s.o.RunDir = filepath.Join(s.o.Data, "run")
	}
	for _, dir := range []string{s.o.Data, s.o.RunDir} {
		// Before anything is written there, the token first of all.
		if err := store.CheckFolder(dir); err != nil {
			return "", err
		}
	}
	token, explicit, err := access.Token(s.o.Data, s.o.Token, s.o.TokenFile)
	if err != nil {
		return "", err
	}
	return token, access.CheckListen(s.o.Listen, explicit, s.o.TLSCert != "", s.o.BehindProxy)
}

func (s *server) listen() (net.Listener, error) {
	l, err := net.Listen("tcp", s.o.Listen)
	if err != nil {
		e := imagecore.NewError(imagecore.ErrHost, "listen-failed", fmt.Sprintf("can't listen on %s: choose another --listen, or port 0 for any", s.o.Listen), "address", s.o.Listen)
		e.Err = err
		return nil, e
	}
	return l, nil
}

// calm is how long no archive comes before layers are unpacked that nobody waits
// for: a second load finds processors and disk free.
const calm = 250 * time.Millisecond

// openServices opens store, events and engine, which recover what a crash left.
func (s *server) openServices(ctx context.Context) error {
	executable, err := sealed.Copy("layerlab-runtime", bytes.NewReader(s.o.Runtime))
	if err != nil {
		return fmt.Errorf("seal the runtime: %w", err)
	}
	s.onClose(executable.Close)
	makeLayer := s.o.Unpack
	if makeLayer == nil {
		makeLayer = s.unpack(executable)
	}
	read := s.o.Read
	if read == nil {
		read = store.Native(s.o.Limits, s.o.Data)
	}
	if s.o.Prepare != nil {
		read = s.prepared(ctx, read)
	}
	pool, err := s.idPool()
	if err != nil {
		return err
	}
	if err := s.chooseRootfs(pool); err != nil {
		return err
	}
	s.store, err = store.Open(ctx, store.Options{
		Dir: s.o.Data, Limits: s.o.Limits, Read: read,
		Unpack: makeLayer,
		Users: func(id digest.Digest) int {
			if s.engine == nil {
				return 0
			}
			return s.engine.ImageUsers(id)
		},
		Publish: func(kind, id string, data any) error { return noted{s.bus, s.activity}.Publish(kind, id, data) },
		Log:     s.log, Now: time.Now, Calm: calm,
	})
	if err != nil {
		return err
	}
	s.onClose(s.store.Close)
	if s.bus, err = events.Open(s.store.Bucket("events"), time.Now); err != nil {
		return err
	}
	s.onClose(func() error { s.bus.Close(); return nil })
	s.openActivity()

	init, err := s.writeInit()
	if err != nil {
		return err
	}
	if err := s.openNetworks(ctx, executable); err != nil {
		return err
	}
	s.engine, err = engine.Open(ctx, engine.Options{
		Networks: s.networks,
		Data:     s.o.Data, Run: s.o.RunDir, Images: notedHold{images{s.store}}, Bucket: s.store.Bucket("containers"), Volumes: s.store.Bucket("volumes"), Init: init,
		Reach: reach.Policy{
			Never: []string{s.dockerSocket()}, Bind: s.o.AllowBind, Devices: s.o.AllowDevices, Unconfined: s.o.AllowUnconfined,
		},
		Events: noted{s.bus, s.activity}, Shims: engine.Processes(executable, s.method), Watch: watch.Upper,
		Copies:   &engine.Copies{Executable: executable, Method: s.method},
		Runtimes: s.runtimes, Rootless: s.o.Rootless, Pool: pool, Shared: s.shared, Teaching: s.o.Teaching, Now: time.Now, Log: s.log,
	})
	if err != nil {
		return err
	}
	s.onClose(s.engine.Close)
	return s.openTerminals()
}

// writeInit puts the program of --init where containers can have it mounted. One
// that runs keeps the file that it has.
func (s *server) writeInit() (string, error) {
	path := filepath.Join(s.o.RunDir, "init")
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, s.o.Runtime) {
		return path, nil
	}
	// Servers that share the folder may begin at once: each writes a file of its own.
	part, err := os.CreateTemp(s.o.RunDir, ".partial-init-*")
	if err != nil {
		return "", err
	}
	_, err = part.Write(s.o.Runtime)
	// Whatever the umask: the container's root is nobody to this file.
	if err = errors.Join(err, part.Chmod(0o755), part.Close()); err == nil {
		err = os.Rename(part.Name(), path)
	}
	if err != nil {
		return "", fmt.Errorf("program of --init: %w", errors.Join(err, os.Remove(part.Name())))
	}
	return path, nil
}

// idPool reads which ids are free for containers.
func (s *server) idPool() (idrange.Pool, error) {
	if s.o.Rootless {
		return idrange.Pool{From: []idrange.Range{{First: 1, Count: idrange.Size}}}, nil
	}
	var files [2][]byte
	for i, name := range []string{"/etc/subuid", "/etc/subgid"} {
		b, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return idrange.Pool{}, fmt.Errorf("ids for containers: %w", err)
		}
		files[i] = b
	}
	return idrange.NewPool(files[0], files[1], "layerlab", idrange.Default()), nil
}

// serve answers requests until ctx ends.
func (s *server) serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	h := &http.Server{
		Handler: handler,
		// Whole requests and answers may take long (uploads, downloads,
		// events); labapi gives each read and write a deadline of its own.
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12},
	}
	done := make(chan error, 1)
	go func() {
		if s.o.TLSCert != "" {
			done <- h.ServeTLS(listener, s.o.TLSCert, s.o.TLSKey)
		} else {
			done <- h.Serve(listener)
		}
	}()
	s.ready.set(true)
	s.log.Info("listening", "address", listener.Addr().String(), "data", s.o.Data, "version", s.o.Version)
	if s.o.Started != nil {
		s.o.Started(s.url(listener.Addr()))
	}
	select {
	case err := <-done:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	s.ready.set(false)
	s.log.Info("ending; containers run on")
	// Streams never end by themselves, and Shutdown would wait for them.
	s.terminals.Close()
	s.bus.Close()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := h.Shutdown(end)
	if errors.Is(err, context.DeadlineExceeded) {
		err = h.Close()
	}
	<-done // http.ErrServerClosed
	return err
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// page reads the files of the page that the binary carries.
func page() (*webui.Page, error) {
	files, err := webui.Dist()
	if err != nil {
		return nil, err
	}
	return webui.New(files)
}
