//go:build linux

package serve

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/server/access"
	"github.com/layerlab/layerlab/server/dockerapi"
	"github.com/layerlab/layerlab/server/labapi"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// ready says whether requests are answered as they should be.
type ready struct{ atomic.Bool }

func (r *ready) set(v bool) { r.Store(v) }

// handler puts routes and checks together.
func (s *server) handler(docker *dockerapi.Handler) (http.Handler, error) {
	shell, err := page()
	if err != nil {
		return nil, err
	}
	counters := newMetrics(s)
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = labapi.ErrorHandler(s.log)
	e.Use(s.recovery, s.logging, counters.count)
	labapi.New(labapi.Deps{
		Activity: s.activity, Images: notedStore{s.store, docker}, Containers: pageContainers{s.engine, docker, s.shared != nil}, Networks: pageNetworks{s.networks, docker}, Looks: looks{s.store, s.engine}, Events: s.bus, Gate: s.gate, Terminals: s.terminals, Recordings: s.recordings, Shares: shares{s.shares, s.terminals},
		Info: s.info, Log: s.log,
	}).Register(e.Group(labapi.Prefix))
	e.Any("/api/*", func(echo.Context) error { return echo.ErrNotFound })
	e.GET("/healthz", func(c echo.Context) error { return c.String(http.StatusOK, "ok\n") })
	e.GET("/readyz", func(c echo.Context) error {
		if !s.ready.Load() {
			return c.String(http.StatusServiceUnavailable, "starting or ending\n")
		}
		return c.String(http.StatusOK, "ok\n")
	})
	e.GET("/metrics", echo.WrapHandler(counters.handler()))
	e.Any("/*", echo.WrapHandler(shell))
	return requestIDs(dropBodies(s.gate.Guard(e))), nil
}

// leftover is how long the rest of a body may take that no handler has read.
const leftover = 2 * time.Second

// dropBodies bounds the wait for what is left of a body once the request is
// answered: net/http reads on for up to 256 KiB before it sends the answer, so
// that a client who was refused could hold the connection for ever.
func dropBodies(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		if r.ContentLength != 0 { // of a WebSocket it is 0: its connection is not ours any more
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(leftover)) // or the client has gone
		}
	})
}

// requestIDs names each request, for the answer and the log. What the client
// sends is not taken over: it could name two requests alike.
func requestIDs(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(echo.HeaderXRequestID, strings.ToLower(rand.Text()[:16]))
		next.ServeHTTP(w, r)
	})
}

// recovery turns a panic into an answer and a line of the log.
func (s *server) recovery(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			switch v := recover(); {
			case v == nil:
			case v == http.ErrAbortHandler: // an answer that is cut short on purpose
				panic(v)
			default:
				s.log.Error("panic", "value", fmt.Sprint(v), "stack", string(debug.Stack()))
				err = fmt.Errorf("panic: %v", v)
			}
		}()
		return next(c)
	}
}

// logging writes a line for each request: those that change something at level
// info, the rest at debug.
func (s *server) logging(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := time.Now()
		err := next(c)
		if err != nil {
			c.Error(err) // answers, so that the status is known
		}
		r, level := c.Request(), slog.LevelDebug
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			level = slog.LevelInfo
		}
		s.log.Log(r.Context(), level, "request", "method", r.Method, "path", r.URL.Path, "status", c.Response().Status,
			"bytes", c.Response().Size, "took", time.Since(began).Round(time.Microsecond).String(),
			"requestID", c.Response().Header().Get(echo.HeaderXRequestID))
		return nil
	}
}

// refuse answers a request that the gate does not let in.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, e *access.Refusal) {
	level := slog.LevelInfo
	if e.Status == http.StatusForbidden {
		level = slog.LevelWarn // somebody tried, or a name is missing in --allow-host
	}
	s.log.Log(r.Context(), level, "refused", "method", r.Method, "path", r.URL.Path, "code", e.Code,
		"host", r.Host, "origin", r.Header.Get("Origin"), "site", r.Header.Get("Sec-Fetch-Site"))
	if e.Err != nil {
		labapi.WriteError(s.log, w, r, e.Err, false)
		return
	}
	labapi.WriteError(s.log, w, r, e, false)
}

// hosts are the names beyond those of loopback under which we answer.
func (s *server) hosts() []string {
	out := append([]string{}, s.o.AllowHosts...)
	host, _, err := net.SplitHostPort(s.o.Listen)
	if ip := net.ParseIP(host); err == nil && ip != nil && !ip.IsUnspecified() && !ip.IsLoopback() {
		out = append(out, host)
	}
	return out
}

// guarded are the paths outside /api that ask for a bearer: numbers about the
// server are for its own machine only.
func (s *server) guarded() []string {
	host, _, err := net.SplitHostPort(s.o.Listen)
	if err == nil && access.IsLoopback(host) && !s.o.BehindProxy {
		return nil
	}
	return []string{"/metrics"}
}

// url is the address that logs in once.
func (s *server) url(addr net.Addr) string {
	u := url.URL{Scheme: "http", Host: addr.String(), Path: "/", Fragment: "code=" + s.gate.Code()}
	if s.o.TLSCert != "" {
		u.Scheme = "https"
	}
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		host := "localhost"
		if len(s.o.AllowHosts) > 0 {
			host = s.o.AllowHosts[0]
		}
		u.Host = fmt.Sprintf("%s:%d", host, tcp.Port)
	}
	return u.String()
}

// info says what this server is and can do.
func (s *server) info(context.Context) wire.Info {
	kernel, _ := host()
	out := wire.Info{
		Version: s.o.Version, Kernel: kernel, Rootfs: string(s.method),
		CanRun: s.cannotRun == nil, MaxUpload: s.o.Limits.Archive,
		Hosts: append([]string{"localhost", "127.0.0.1", "::1"}, s.hosts()...),
	}
	for _, r := range s.runtimes.All() {
		out.Runtimes = append(out.Runtimes, r.Name)
	}
	out.DefaultRuntime = s.runtimes.Default()
	if s.cannotRun != nil {
		e := labapi.WireError(s.cannotRun)
		if e.Code == "internal" {
			e = wire.Error{Code: "cannot-run", Args: map[string]string{"reason": s.cannotRun.Error()}, Message: s.cannotRun.Error()}
		}
		out.RunProblem = &e
	}
	return out
}

// host says which kernel runs under which name; nothing where it does not say.
func host() (kernel, name string) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", ""
	}
	return unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Nodename[:])
}
