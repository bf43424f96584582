package access

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// Token finds the token: that of flag or environment (value) before that of a
// file (path) before the one kept in the data folder, which is made on first
// use, readable by nobody else. explicit says that the user chose it.
func Token(dataDir, value, path string) (token string, explicit bool, err error) {
	if value != "" {
		return value, true, nil
	}
	if path != "" {
		token, err = readToken(path)
		return token, true, err
	}
	kept := filepath.Join(dataDir, "token")
	token, err = readToken(kept)
	if !errors.Is(err, fs.ErrNotExist) {
		return token, false, err
	}
	token = rand.Text()
	return token, false, writeToken(kept, token)
}

func readToken(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return "", imagecore.NewError(imagecore.ErrHost, "token-file-open",
			fmt.Sprintf("token file %s can be read by others (%04o): chmod 0600 it", path, info.Mode().Perm()), "path", path)
	}
	token := strings.TrimSpace(string(raw))
	if token == "" {
		return "", imagecore.NewError(imagecore.ErrInvalid, "token-file-empty", fmt.Sprintf("token file %s is empty: delete it, or write a token into it", path), "path", path)
	}
	return token, nil
}

// writeToken makes the file whole or not at all.
func writeToken(path, token string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".partial-token-*") // mode 0600
	if err != nil {
		return fmt.Errorf("keep the token: %w", err)
	}
	_, err = f.WriteString(token + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("keep the token: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// CheckListen says whether the server may listen on an address: beyond
// loopback it needs a token that the user chose, and TLS or a proxy that
// speaks it.
func CheckListen(address string, explicitToken, tls, behindProxy bool) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return imagecore.NewError(imagecore.ErrInvalid, "bad-listen", fmt.Sprintf("%q is no address to listen on: write host:port, such as 127.0.0.1:8080", address), "address", address)
	}
	if IsLoopback(host) {
		return nil
	}
	var need []string
	if !explicitToken {
		need = append(need, "--token-file (or --token)")
	}
	if !tls && !behindProxy {
		need = append(need, "--tls-cert and --tls-key, or --behind-proxy")
	}
	if len(need) == 0 {
		return nil
	}
	return imagecore.NewError(imagecore.ErrInvalid, "listen-refused",
		fmt.Sprintf("%s can be reached from other machines: that needs %s; or listen on 127.0.0.1", address, strings.Join(need, " and ")), "address", address)
}
