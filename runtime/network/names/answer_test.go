package names_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/layerlab/layerlab/runtime/network/names"
)

// web is a network with one container.
type web struct{}

func (web) Addresses(name string) []netip.Addr {
	if name == "web" || name == "web.front" {
		return []netip.Addr{netip.MustParseAddr("172.18.0.2")}
	}
	return nil
}

func (web) Name(a netip.Addr) (string, bool) {
	if a == netip.MustParseAddr("172.18.0.2") {
		return "web.front", true
	}
	return "", netip.MustParsePrefix("172.18.0.0/16").Contains(a)
}

func query(t testing.TB, name string, kind dnsmessage.Type, edns bool) []byte {
	t.Helper()
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: 7, RecursionDesired: true})
	b.StartQuestions()
	if err := b.Question(dnsmessage.Question{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}); err != nil {
		t.Fatal(err)
	}
	if edns {
		b.StartAdditionals()
		var h dnsmessage.ResourceHeader
		h.SetEDNS0(4096, 0, false)
		b.OPTResource(h, dnsmessage.OPTResource{})
	}
	m, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func read(t testing.TB, reply []byte) dnsmessage.Message {
	t.Helper()
	var m dnsmessage.Message
	if err := m.Unpack(reply); err != nil {
		t.Fatalf("reply %x: %v", reply, err)
	}
	return m
}

func TestAnswers(t *testing.T) {
	const a, aaaa, mx, ptr = dnsmessage.TypeA, dnsmessage.TypeAAAA, dnsmessage.TypeMX, dnsmessage.TypePTR
	for _, c := range []struct {
		name    string
		kind    dnsmessage.Type
		code    dnsmessage.RCode
		answers int
		refused bool
		why     string // of the extended error
	}{
		{"web.", a, dnsmessage.RCodeSuccess, 1, false, ""},
		{"WEB.Front.", a, dnsmessage.RCodeSuccess, 1, false, ""},
		{"web.", aaaa, dnsmessage.RCodeSuccess, 0, false, ""}, // or programs wait for the world's answer
		{"web.", mx, dnsmessage.RCodeSuccess, 0, false, ""},
		{"2.0.18.172.in-addr.arpa.", ptr, dnsmessage.RCodeSuccess, 1, false, ""},
		{"9.0.18.172.in-addr.arpa.", ptr, dnsmessage.RCodeNameError, 0, false, ""},
		{"nobody.", a, dnsmessage.RCodeNameError, 0, false, "no container"},
		{"example.com.", a, dnsmessage.RCodeRefused, 0, true, names.NoWayOut},
		{"8.8.8.8.in-addr.arpa.", ptr, dnsmessage.RCodeRefused, 0, true, names.NoWayOut},
	} {
		reply, _, refused := names.Answer(query(t, c.name, c.kind, true), web{}, false)
		m := read(t, reply)
		if m.ID != 7 || !m.Response || m.RCode != c.code || len(m.Answers) != c.answers || refused != c.refused {
			t.Errorf("%s %s: %+v, refused %v", c.name, c.kind, m.Header, refused)
		}
		why := ""
		for _, r := range m.Additionals {
			for _, o := range r.Body.(*dnsmessage.OPTResource).Options {
				why = string(o.Data[2:])
				if info := binary.BigEndian.Uint16(o.Data); refused && info != 18 {
					t.Errorf("%s: info code %d, want 18 (prohibited)", c.name, info)
				}
			}
		}
		if !strings.Contains(why, c.why) {
			t.Errorf("%s: extended error %q, want %q", c.name, why, c.why)
		}
	}
}

// RFC 6891, 6.1.1: no OPT record in a reply to a query without.
func TestNoExtendedErrorUnlessTheQuerySpeaksEDNS(t *testing.T) {
	reply, _, _ := names.Answer(query(t, "example.com.", dnsmessage.TypeA, false), web{}, false)
	if m := read(t, reply); len(m.Additionals) != 0 || m.RCode != dnsmessage.RCodeRefused {
		t.Errorf("%+v", m)
	}
}

func TestWithAWayOutOthersAreAsked(t *testing.T) {
	for name, forwarded := range map[string]bool{"example.com.": true, "nobody.": true, "web.": false, "9.0.18.172.in-addr.arpa.": false} {
		reply, _, _ := names.Answer(query(t, name, dnsmessage.TypeA, true), web{}, true)
		if (reply == nil) != forwarded {
			t.Errorf("%s: passed on %v", name, reply == nil)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(query(f, "web.", dnsmessage.TypeA, true), true)
	f.Add(query(f, "2.0.18.172.in-addr.arpa.", dnsmessage.TypePTR, false), false)
	f.Add([]byte{0, 1, 2}, false)
	f.Fuzz(func(t *testing.T, q []byte, out bool) {
		reply, _, _ := names.Answer(q, web{}, out)
		if reply == nil {
			return
		}
		var p dnsmessage.Parser
		h, err := p.Start(reply)
		if err != nil || !h.Response || h.ID != binary.BigEndian.Uint16(q) {
			t.Errorf("reply %x to %x: %+v, %v", reply, q, h, err)
		}
		if len(reply) > len(q)+600 {
			t.Errorf("a query of %d bytes gets %d: an amplifier", len(q), len(reply))
		}
	})
}

// TestServer asks over UDP and TCP, with a way out that answers and one that
// does not.
func TestServer(t *testing.T) {
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	forward := func(_ context.Context, q []byte, overTCP bool) ([]byte, error) {
		if strings.Contains(string(q), "broken") {
			return nil, errors.New("no answer")
		}
		reply := append([]byte(nil), q...)
		reply[2] |= 0x80 // a response
		return reply, nil
	}
	s := names.Serve(&names.Resolver{Table: web{}, Out: func() bool { return true }, Forward: forward}, udp, tcp)
	for name, code := range map[string]dnsmessage.RCode{"web.": dnsmessage.RCodeSuccess, "example.com.": dnsmessage.RCodeSuccess, "broken.example.": dnsmessage.RCodeServerFailure} {
		q := query(t, name, dnsmessage.TypeA, true)
		got, err := names.Ask(t.Context(), []netip.AddrPort{udp.LocalAddr().(*net.UDPAddr).AddrPort()}, q, false, (&net.Dialer{}).DialContext)
		if err != nil || read(t, got).RCode != code {
			t.Errorf("udp %s: %v", name, err)
		}
		got, err = names.Ask(t.Context(), []netip.AddrPort{tcp.Addr().(*net.TCPAddr).AddrPort()}, q, true, (&net.Dialer{}).DialContext)
		if err != nil || read(t, got).RCode != code {
			t.Errorf("tcp %s: %v", name, err)
		}
	}
	idle, err := net.Dial("tcp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	if err := s.Close(); err != nil { // and does not wait for who says nothing
		t.Error(err)
	}
	idle.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := idle.Read(make([]byte, 1)); err != io.EOF && !strings.Contains(err.Error(), "reset") {
		t.Errorf("after Close: %v", err)
	}
}
