//go:build linux && engines

package engines

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDockerShowsOurIDsOfVersion1 loads images of version 1, which have no
// config, as Dockers of many years wrote them and as none did: the id that
// Docker gives each is the one that inspect shows.
func TestDockerShowsOurIDsOfVersion1(t *testing.T) {
	dir, layerlab := folder(t), os.Getenv("LAYERLAB")
	if layerlab == "" {
		t.Fatal("set LAYERLAB to the program, as make test-engines does")
	}
	d := startDocker(t, dir)
	settings := `"Hostname":"h","Domainname":"","User":"u","Memory":7,"MemorySwap":8,"CpuShares":9,"AttachStdin":false,"PortSpecs":null,` +
		`"ExposedPorts":{"80/tcp":{},"22/tcp":{}},"Tty":true,"Env":["A=<b>&c"],"Cmd":["sh","-c","x > y"],"Dns":null,"Image":"i","Volumes":{"/v":{}},"VolumesFrom":"",` +
		`"WorkingDir":"/w","Entrypoint":["/e"],"NetworkDisabled":false,"MacAddress":"","OnBuild":[],"Labels":{"b":"1","a":"2"}`
	for what, members := range map[string]string{
		"next to nothing":       `"os":"linux"`,
		"of Docker 1.0":         `"created":"2014-06-09T10:00:00.123456789Z","container":"c","container_config":{` + settings + `},"docker_version":"1.0.0","author":"a","config":{` + settings + `},"architecture":"amd64","os":"linux","checksum":"tarsum.dev+sha256:0","Size":12`,
		"of Docker 1.8.2":       `"created":"2015-09-10T10:00:00+02:00","container_config":{` + settings + `},"docker_version":"1.8.2","config":{` + settings + `},"architecture":"amd64","os":"linux","Size":0,"x":1`,
		"of Docker 1.8.3":       `"created":"2015-10-10T10:00:00+02:00","container_config":{` + settings + `},"docker_version":"1.8.3","config":{` + settings + `},"architecture":"amd64","os":"linux","Size":0,"x":1`,
		"of Docker 1.12-rc4":    `"docker_version":"1.12-rc4","config":{"Cmd":"one word","Foo":1},"os":"linux","comment":"<c>"`,
		"a string as a command": `"container_config":{"Cmd":"make all"},"config":{"Cmd":"one word","Entrypoint":null},"os":"linux","comment":"<c>","throwaway":true`,
		"no time of its own":    `"docker_version":"1.9.1","os":"linux","history":[],"rootfs":{}`,
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		base, top := fmt.Sprintf("%x", sha256.Sum256([]byte(what))), fmt.Sprintf("%x", sha256.Sum256([]byte("top "+what)))
		name := fmt.Sprintf("v1-%.8s", top)
		for _, f := range [][2]string{
			{base + "/json", `{"id":"` + base + `",` + members + `}`},
			{base + "/layer.tar", string(make([]byte, 1024))},
			{top + "/json", `{"id":"` + top + `","parent":"` + base + `",` + members + `}`},
			{top + "/layer.tar", string(make([]byte, 1024))},
			{"repositories", `{"` + name + `":{"latest":"` + top + `"}}`},
		} {
			if strings.HasSuffix(f[0], "/json") {
				if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: strings.TrimSuffix(f[0], "json"), Mode: 0o755}); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.WriteHeader(&tar.Header{Name: f[0], Mode: 0o644, Size: int64(len(f[1]))}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte(f[1])); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name+".tar")
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(layerlab, "inspect", "--json", file).Output()
		var report struct {
			Images []struct {
				ID     string
				Config struct{ Raw string }
			}
		}
		if err := errors.Join(err, json.Unmarshal(out, &report)); err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if message := d.load(b.Bytes()); message != "" {
			t.Errorf("%s: Docker refuses: %s", what, message)
			continue
		}
		status, answer := d.call("GET", "/images/"+name+"/json", nil)
		var docker struct{ ID string }
		if err := json.Unmarshal(answer, &docker); err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d %s", what, status, answer)
		}
		if ours := report.Images[0]; ours.ID != docker.ID {
			theirs, _ := os.ReadFile(filepath.Join(dir, "d-root/image/overlay2/imagedb/content/sha256", strings.TrimPrefix(docker.ID, "sha256:")))
			t.Errorf("%s: we say %s, Docker %s\n%s\n%s", what, ours.ID, docker.ID, ours.Config.Raw, theirs)
		}
	}
}
