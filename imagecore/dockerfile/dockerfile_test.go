package dockerfile_test

import (
	"fmt"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/dockerfile"
)

// history makes one of lines; those that begin with + made a layer.
func history(text string) (h []imagecore.History, layers int) {
	for line := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		line = strings.ReplaceAll(line, `\n`, "\n")
		createdBy, made := strings.CutPrefix(line, "+")
		e := imagecore.History{History: v1.History{CreatedBy: createdBy, EmptyLayer: !made}}
		if made {
			n := layers
			e.Layer = &n
			layers++
		}
		h = append(h, e)
	}
	return h, layers
}

// told writes lines as NUMBER LAYER NOTE TEXT.
func told(lines []imagecore.Line) string {
	var b strings.Builder
	for _, l := range lines {
		layer := "-"
		if l.Layer != nil {
			layer = fmt.Sprint(*l.Layer)
		}
		note := l.Note
		if note == "" {
			note = "."
		}
		fmt.Fprintf(&b, "%d %s %s %s\n", l.Number, layer, note, strings.ReplaceAll(l.Text, "\n", `\n`))
	}
	return b.String()
}

func TestInstructionsOfAllBuilders(t *testing.T) {
	for createdBy, want := range map[string]string{
		// The classic builder.
		`/bin/sh -c #(nop) ADD file:ce02 in / `:                                        `ADD file:ce02 in /`,
		`/bin/sh -c #(nop)  CMD ["sh"]`:                                                `CMD ["sh"]`,
		`/bin/sh -c #(nop)  CMD ["/bin/sh" "-c" "exec \"$0\""]`:                        `CMD ["/bin/sh", "-c", "exec \"$0\""]`,
		`/bin/sh -c #(nop) ENTRYPOINT &{["/pause"]}`:                                   `ENTRYPOINT ["/pause"]`,
		`/bin/sh -c #(nop) CMD [nginx -g daemon off;]`:                                 `CMD ["nginx", "-g", "daemon", "off;"]`,
		`/bin/sh -c #(nop)  EXPOSE 80/tcp`:                                             `EXPOSE 80/tcp`,
		`/bin/sh -c #(nop) EXPOSE map[443/tcp:{} 80/tcp:{}]`:                           `EXPOSE 443/tcp 80/tcp`,
		`/bin/sh -c #(nop)  VOLUME [/data]`:                                            `VOLUME ["/data"]`,
		`/bin/sh -c #(nop)  ENV A=b c`:                                                 `ENV A=b c`,
		`/bin/sh -c #(nop)  HEALTHCHECK &{["CMD-SHELL" "true"] "5s" "0s" "0s" '\x03'}`: `HEALTHCHECK --interval=5s CMD true`,
		`/bin/sh -c #(nop)  HEALTHCHECK &{["NONE"] "0s" "0s" "0s" "0s" '\x00'}`:        `HEALTHCHECK NONE`,
		`/bin/sh -c #(nop) MAINTAINER Jane <jane@example.com>`:                         `MAINTAINER Jane <jane@example.com>`,
		`/bin/sh -c #(nop) WORKDIR /app`:                                               `WORKDIR /app`,
		`/bin/sh -c apt-get update && apt-get install -y x`:                            `RUN apt-get update && apt-get install -y x`,
		`|1 A=b /bin/sh -c make $A`:                                                    `RUN make $A`,
		`|2 A=b c D=e /bin/sh -c make`:                                                 `RUN make`,
		`/bin/bash -o pipefail -c curl x | sh`:                                         `RUN curl x | sh`,
		`cmd /S /C dir`:                                                                `RUN dir`,
		// BuildKit.
		`RUN /bin/sh -c apk add curl # buildkit`:               `RUN apk add curl`,
		`RUN |1 A=b /bin/sh -c make # buildkit`:                `RUN make`,
		`RUN /bin/bash -eo pipefail -c make # buildkit`:        `RUN make`,
		`RUN make install # buildkit`:                          `RUN make install`,
		`COPY /src /dst # buildkit`:                            `COPY /src /dst`,
		`WORKDIR /goof`:                                        `WORKDIR /goof`,
		`EXPOSE map[9229/tcp:{}]`:                              `EXPOSE 9229/tcp`,
		`ENTRYPOINT ["npm" "start"]`:                           `ENTRYPOINT ["npm", "start"]`,
		`ARG TARGETPLATFORM=linux/arm64`:                       `ARG TARGETPLATFORM=linux/arm64`,
		"RUN /bin/sh -c echo one\necho two\n # buildkit":       "RUN <<EOF\necho one\necho two\nEOF",
		"RUN /bin/sh -c cat <<END > /x\none\nEND\n # buildkit": "RUN cat <<END > /x\none\nEND",
		"RUN /bin/sh -c echo one\nEOF\necho two\n # buildkit":  "RUN <<EOF_\necho one\nEOF\necho two\nEOF_",
		`COPY --chown=1:1 a b # buildkit`:                      `COPY --chown=1:1 a b`,
		`SHELL [/bin/bash -c]`:                                 `SHELL ["/bin/bash", "-c"]`,
		// What no Dockerfile makes.
		`bazel build ...`:              `# bazel build ...`,
		`jib-gradle-plugin:1.4.1`:      `# jib-gradle-plugin:1.4.1`,
		`/bin/sh -c #(nop) NONSENSE 1`: `# /bin/sh -c #(nop) NONSENSE 1`,
		"":                             `# an entry without words`,
		"two\nlines":                   "# two\n# lines",
	} {
		h := []imagecore.History{{History: v1.History{CreatedBy: createdBy, EmptyLayer: true}}}
		lines := dockerfile.FromHistory(h, 0)
		if len(lines) != 2 || lines[1].Text != want {
			t.Errorf("%q\ngives %q\nwant  %q", createdBy, lines[len(lines)-1].Text, want)
		}
		if unknown := strings.HasPrefix(want, "#"); unknown != (lines[1].Note == "unknown") || unknown != (lines[1].Instruction == "") {
			t.Errorf("%q: note %q, instruction %q", createdBy, lines[1].Note, lines[1].Instruction)
		}
	}
}

func TestLinesAreTiedToTheirLayers(t *testing.T) {
	h, layers := history(`
+/bin/sh -c #(nop) ADD file:abc in /
/bin/sh -c #(nop)  CMD ["sh"]
+RUN /bin/sh -c echo one\necho two # buildkit
ENV A=b
+WORKDIR /app`)
	want := `1 - . FROM scratch
2 0 . ADD file:abc in /
3 - . CMD ["sh"]
4 1 . RUN <<EOF\necho one\necho two\nEOF
8 - . ENV A=b
9 2 . WORKDIR /app
10 3 unknown # nothing tells what made this layer
`
	if got := told(dockerfile.FromHistory(h, layers+1)); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := dockerfile.FromHistory(nil, 2); got != nil {
		t.Errorf("an image without history has lines: %v", got)
	}
}

func match(t *testing.T, file, text string) string {
	t.Helper()
	instructions, err := dockerfile.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	h, _ := history(text)
	return told(dockerfile.Match(instructions, h))
}

func TestAFileBesideAClassicImage(t *testing.T) {
	got := match(t, `# syntax
FROM debian:12
ARG VERSION=1
MAINTAINER Jane
ENV LANG C.UTF-8
RUN apt-get update && \
    # a comment between
    apt-get install -y \
      nginx=$VERSION
COPY site /var/www
EXPOSE 80
VOLUME /data
WORKDIR /var/www
CMD nginx -g "daemon off;"
`, `
+/bin/sh -c #(nop) ADD file:base in /
/bin/sh -c #(nop)  CMD ["bash"]
/bin/sh -c #(nop)  ARG VERSION=1
/bin/sh -c #(nop)  MAINTAINER Jane
/bin/sh -c #(nop)  ENV LANG=C.UTF-8
+|1 VERSION=1 /bin/sh -c apt-get update &&     apt-get install -y       nginx=$VERSION
+/bin/sh -c #(nop) COPY dir:5d77 in /var/www
/bin/sh -c #(nop)  EXPOSE 80
/bin/sh -c #(nop)  VOLUME [/data]
/bin/sh -c #(nop) WORKDIR /var/www
/bin/sh -c #(nop)  CMD ["/bin/sh" "-c" "nginx -g \"daemon off;\""]`)
	want := `2 0 base FROM debian:12
3 - . ARG VERSION=1
4 - . MAINTAINER Jane
5 - . ENV LANG C.UTF-8
6 1 . RUN apt-get update && \\n    # a comment between\n    apt-get install -y \\n      nginx=$VERSION
10 2 . COPY site /var/www
11 - . EXPOSE 80
12 - . VOLUME /data
13 - . WORKDIR /var/www
14 - . CMD nginx -g "daemon off;"
`
	if got = strings.ReplaceAll(got, `\"`, `"`); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestAFileBesideABuildKitImage(t *testing.T) {
	got := match(t, `FROM golang AS build
WORKDIR /src
RUN go build -o /app

FROM alpine:3.20 AS base
RUN apk add --no-cache ca-certificates

FROM base
RUN --mount=type=cache,target=/x <<EOF
echo one
echo two
EOF
WORKDIR /srv
COPY --from=build /app $HOME/app
USER 1000
RUN forgotten
ENTRYPOINT ["/app"]
`, `
+ADD alpine.tar.gz / # buildkit
CMD ["/bin/sh"]
+RUN /bin/sh -c apk add --no-cache ca-certificates # buildkit
+RUN /bin/sh -c echo one\necho two\n # buildkit
+WORKDIR /srv
+COPY /app /root/app # buildkit
LABEL by=ci
USER 1000
ENTRYPOINT ["/app"]`)
	want := `1 - other-stage FROM golang AS build
2 - other-stage WORKDIR /src
3 - other-stage RUN go build -o /app
5 0 base FROM alpine:3.20 AS base
6 1 . RUN apk add --no-cache ca-certificates
8 - . FROM base
9 2 . RUN --mount=type=cache,target=/x <<EOF\necho one\necho two\nEOF
13 3 . WORKDIR /srv
14 4 . COPY --from=build /app $HOME/app
0 - not-in-file LABEL by=ci
15 - . USER 1000
16 - not-built RUN forgotten
17 - . ENTRYPOINT ["/app"]
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestAFileOfAnotherImageTiesNothing(t *testing.T) {
	got := match(t, "FROM x\nRUN make\nUSER me\n", "+/bin/sh -c apt-get update\n+bazel build ...")
	want := "1 1 base FROM x\n2 - not-built RUN make\n3 - not-built USER me\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestParse(t *testing.T) {
	all, err := dockerfile.Parse("# escape=`\r\nfrom scratch\r\nRUN dir `\r\n  c:\\\r\n\r\ncopy <<-'END' /x\r\nFROM inside\r\n\tEND\r\nUSER a")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, in := range all {
		got = append(got, fmt.Sprintf("%d %s %q", in.Line, in.Keyword, in.Args))
	}
	want := "2 FROM \"scratch\"\n3 RUN \"dir   c:\\\\\"\n6 COPY \"<<-'END' /x\\nFROM inside\\n\\tEND\"\n9 USER \"a\""
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	for _, bad := range []string{"", "RUN x", "# FROM x", strings.Repeat("FROM x\n", 2000)} {
		if _, err := dockerfile.Parse(bad); err == nil {
			t.Errorf("%.20q is taken for a Dockerfile", bad)
		}
	}
}

// What is made of a history can be read as a Dockerfile again, and is tied to
// the same layers then.
func FuzzRoundTrip(f *testing.F) {
	f.Add("/bin/sh -c #(nop)  CMD [\"sh\"]\nRUN /bin/sh -c make # buildkit\n|1 A=b /bin/sh -c x")
	f.Add("COPY <<EOF /x # buildkit\nENV A=b \\\nUSER <<E")
	f.Add("EXPOSE map[80/tcp:{}]\n/bin/sh -c #(nop) HEALTHCHECK &{[\"CMD\" \"x\"] \"1s\" \"0s\" \"0s\" '\\x00'}")
	f.Fuzz(func(t *testing.T, text string) {
		h, layers := history("+" + text)
		lines := dockerfile.FromHistory(h, layers)
		if len(lines) != len(h)+1 {
			t.Fatalf("%d lines for %d entries", len(lines), len(h))
		}
		var file []string
		for _, l := range lines {
			file = append(file, l.Text)
		}
		instructions, err := dockerfile.Parse(strings.Join(file, "\n"))
		if err != nil {
			if len(lines) > 1000 {
				return
			}
			t.Fatal(err)
		}
		seen := 0
		for _, l := range dockerfile.Match(instructions, h) {
			if l.History != nil {
				seen++
				if *l.History < 0 || *l.History >= len(h) {
					t.Fatalf("no entry %d", *l.History)
				}
			}
			if l.Layer != nil && (*l.Layer < 0 || *l.Layer >= layers) {
				t.Fatalf("no layer %d", *l.Layer)
			}
		}
		if seen > len(h)+1 {
			t.Fatalf("%d of %d entries were told", seen, len(h))
		}
	})
}
