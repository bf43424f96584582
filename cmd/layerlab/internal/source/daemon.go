package source

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/layerlab/layerlab/imagecore"
)

// defaultEngine is where Docker listens unless DOCKER_HOST says otherwise.
const defaultEngine = "unix:///var/run/docker.sock"

// openDaemon has the engine at DOCKER_HOST save an image, and spools it.
func openDaemon(ctx context.Context, name string, o Options) (*Source, error) {
	if name == "" {
		return nil, imagecore.NewError(imagecore.ErrNotFound, "image-not-found", "docker-daemon: needs the name of an image")
	}
	host := defaultEngine
	if h, ok := o.lookup("DOCKER_HOST"); ok && h != "" {
		host = h
	}
	e, err := engineAt(host, o)
	if err != nil {
		return nil, err
	}
	return e.save(ctx, name, o)
}

func (o Options) lookup(name string) (string, bool) {
	if o.LookupEnv == nil {
		return "", false
	}
	return o.LookupEnv(name)
}

// engine is a Docker Engine API.
type engine struct {
	host   string // as it was named
	base   string // of its URLs
	client *http.Client
}

// engineAt understands what DOCKER_HOST may hold: unix://PATH, tcp://HOST:PORT,
// http://… and https://…; TLS as DOCKER_TLS_VERIFY and DOCKER_CERT_PATH say.
func engineAt(host string, o Options) (*engine, error) {
	u, err := url.Parse(host)
	if err != nil {
		return nil, badHost(host, err.Error())
	}
	transport := &http.Transport{DisableCompression: true, ResponseHeaderTimeout: time.Minute}
	e := &engine{host: host, client: &http.Client{Transport: transport}}
	switch u.Scheme {
	case "unix":
		path := u.Path
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}
		e.base = "http://engine"
	case "tcp", "http", "https":
		verify, on := o.lookup("DOCKER_TLS_VERIFY")
		scheme := "http"
		if u.Scheme == "https" || u.Scheme == "tcp" && on && verify != "" {
			scheme = "https"
			if transport.TLSClientConfig, err = certificates(o); err != nil {
				return nil, err
			}
		}
		e.base = scheme + "://" + u.Host + strings.TrimSuffix(u.Path, "/")
	default:
		return nil, badHost(host, "unix, tcp, http and https are understood; over ssh, use `ssh HOST docker save IMAGE | layerlab … -`")
	}
	return e, nil
}

func badHost(host, why string) error {
	return imagecore.NewError(imagecore.ErrUnsupported, "unsupported-source", fmt.Sprintf("DOCKER_HOST=%s: %s", host, why), "source", host)
}

// certificates reads ca.pem, cert.pem and key.pem, as Docker's command line
// does; without DOCKER_CERT_PATH the system's certificates count.
func certificates(o Options) (*tls.Config, error) {
	dir, ok := o.lookup("DOCKER_CERT_PATH")
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if !ok || dir == "" {
		return c, nil
	}
	pem, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return nil, err
	}
	c.RootCAs = x509.NewCertPool()
	c.RootCAs.AppendCertsFromPEM(pem)
	own, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return nil, err
	}
	c.Certificates = []tls.Certificate{own}
	return c, nil
}

// get asks for a path below the engine's base. Its error is of kind ErrHost
// where nobody answers, ErrNotFound where the engine does not know the thing.
func (e *engine) get(ctx context.Context, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.base+path, nil)
	if err != nil {
		return nil, badHost(e.host, err.Error())
	}
	resp, err := e.client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		he := imagecore.NewError(imagecore.ErrHost, "no-engine", fmt.Sprintf("no engine answers at %s: start it, or name another by DOCKER_HOST", e.host), "host", e.host)
		he.Err = err
		return nil, he
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	var said struct{ Message string }
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if json.Unmarshal(text, &said) != nil || said.Message == "" {
		said.Message = resp.Status
	}
	kind, code := imagecore.ErrHost, "engine-refuses-request"
	if resp.StatusCode == http.StatusNotFound {
		kind, code = imagecore.ErrNotFound, "image-not-found"
	}
	return nil, imagecore.NewError(kind, code, fmt.Sprintf("the engine at %s: %s", e.host, said.Message), "host", e.host, "image", said.Message)
}

// save spools what `docker save` of an image gives.
func (e *engine) save(ctx context.Context, name string, o Options) (_ *Source, err error) {
	body, err := e.get(ctx, "/images/get?names="+url.QueryEscape(name))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	return spoolFrom(ctx, body, "what the engine at "+e.host+" saves", o)
}

// imageID is the id that the engine gives a name now.
func (e *engine) imageID(ctx context.Context, name string) (string, error) {
	body, err := e.get(ctx, "/images/"+escapeName(name)+"/json")
	if err != nil {
		return "", err
	}
	defer body.Close()
	var image struct{ ID string }
	if err := json.NewDecoder(io.LimitReader(body, 1<<20)).Decode(&image); err != nil {
		return "", fmt.Errorf("the engine at %s: %w", e.host, err)
	}
	return image.ID, nil
}

// escapeName keeps the slashes of a name, which the API has in its paths.
func escapeName(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}
