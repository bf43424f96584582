package names

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// ttl of answers in seconds: short, since a container may get another address
// at its next start.
const ttl = 5

// NoWayOut is the text of the extended error that goes with REFUSED.
const NoWayOut = "layerlab: this network has no way out, so only names of its containers are known (serve --egress allow)"

// Table is what Answer knows. Names are lower case without the final dot.
type Table interface {
	// Addresses of a name, in the order in which they are given.
	Addresses(name string) []netip.Addr
	// Name of an address; ours says that the address lies in one of the
	// networks, whether it has a name or not.
	Name(a netip.Addr) (name string, ours bool)
}

// Question is what a query asks.
type Question struct {
	Name string // lower case, without the final dot
	Type dnsmessage.Type
}

// Answer decides about a query. Where the table has nothing to say and out is
// true, reply is nil: the query is to be passed on. Without a way out reply is a
// refusal, and refused says so. What is no query gets neither reply nor error.
func Answer(query []byte, t Table, out bool) (reply []byte, q Question, refused bool) {
	var p dnsmessage.Parser
	head, err := p.Start(query)
	if err != nil || head.Response {
		return nil, q, false
	}
	r := response{head: head}
	question, err := p.Question()
	if err != nil {
		return r.plain(dnsmessage.RCodeFormatError), q, false
	}
	r.question = &question
	r.edns = hasOPT(&p)
	if head.OpCode != 0 {
		return r.plain(dnsmessage.RCodeNotImplemented), q, false
	}
	q = Question{Name: strings.ToLower(strings.TrimSuffix(question.Name.String(), ".")), Type: question.Type}
	if question.Class != dnsmessage.ClassINET && question.Class != dnsmessage.ClassANY {
		return r.plain(dnsmessage.RCodeRefused), q, false
	}
	if list := t.Addresses(q.Name); len(list) > 0 {
		return r.addresses(list), q, false
	}
	if a, ok := reverse(q.Name); ok {
		name, ours := t.Name(a)
		switch {
		case name != "":
			return r.pointer(name), q, false
		case ours:
			return r.plain(dnsmessage.RCodeNameError), q, false
		}
	}
	switch {
	case out:
		return nil, q, false
	case !strings.Contains(q.Name, "."):
		r.why = "layerlab: no container of this network has that name"
		return r.plain(dnsmessage.RCodeNameError), q, false
	}
	r.why, r.info = NoWayOut, prohibited
	return r.plain(dnsmessage.RCodeRefused), q, true
}

// Failed is the reply to a query that could not be passed on.
func Failed(query []byte, why string) []byte {
	var p dnsmessage.Parser
	head, err := p.Start(query)
	if err != nil {
		return nil
	}
	r := response{head: head, why: why, info: networkError}
	if question, err := p.Question(); err == nil {
		r.question = &question
		r.edns = hasOPT(&p)
	}
	return r.plain(dnsmessage.RCodeServerFailure)
}

// Info codes of RFC 8914, section 4.
const (
	otherError   = 0
	prohibited   = 18
	networkError = 23
)

// response is a reply in the making.
type response struct {
	head     dnsmessage.Header
	question *dnsmessage.Question
	edns     bool // the query had an OPT record: only then may the reply
	why      string
	info     uint16
}

func (r *response) plain(code dnsmessage.RCode) []byte {
	return r.build(code, func(*dnsmessage.Builder) error { return nil })
}

func (r *response) addresses(list []netip.Addr) []byte {
	return r.build(dnsmessage.RCodeSuccess, func(b *dnsmessage.Builder) error {
		h := dnsmessage.ResourceHeader{Name: r.question.Name, Class: dnsmessage.ClassINET, TTL: ttl}
		for _, a := range list {
			var err error
			switch {
			case a.Is4() && (r.question.Type == dnsmessage.TypeA || r.question.Type == dnsmessage.TypeALL):
				err = b.AResource(h, dnsmessage.AResource{A: a.As4()})
			case a.Is6() && (r.question.Type == dnsmessage.TypeAAAA || r.question.Type == dnsmessage.TypeALL):
				err = b.AAAAResource(h, dnsmessage.AAAAResource{AAAA: a.As16()})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *response) pointer(name string) []byte {
	return r.build(dnsmessage.RCodeSuccess, func(b *dnsmessage.Builder) error {
		if r.question.Type != dnsmessage.TypePTR && r.question.Type != dnsmessage.TypeALL {
			return nil
		}
		n, err := dnsmessage.NewName(name + ".")
		if err != nil {
			return err
		}
		return b.PTRResource(dnsmessage.ResourceHeader{Name: r.question.Name, Class: dnsmessage.ClassINET, TTL: ttl}, dnsmessage.PTRResource{PTR: n})
	})
}

// build returns nil where a reply can't be made.
func (r *response) build(code dnsmessage.RCode, answers func(*dnsmessage.Builder) error) []byte {
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{
		ID: r.head.ID, Response: true, OpCode: r.head.OpCode, RecursionDesired: r.head.RecursionDesired,
		RecursionAvailable: true, Authoritative: code == dnsmessage.RCodeSuccess, RCode: code,
	})
	b.EnableCompression()
	if r.question != nil {
		if b.StartQuestions() != nil || b.Question(*r.question) != nil {
			return nil
		}
	}
	if b.StartAnswers() != nil || answers(&b) != nil {
		return nil
	}
	if r.edns {
		var h dnsmessage.ResourceHeader
		var opt dnsmessage.OPTResource
		if r.why != "" {
			opt.Options = []dnsmessage.Option{{Code: 15, Data: append(binary.BigEndian.AppendUint16(nil, r.info), r.why...)}}
		}
		if h.SetEDNS0(1232, code, false) != nil || b.StartAdditionals() != nil || b.OPTResource(h, opt) != nil {
			return nil
		}
	}
	msg, err := b.Finish()
	if err != nil {
		return nil
	}
	return msg
}

func hasOPT(p *dnsmessage.Parser) bool {
	if p.SkipAllQuestions() != nil || p.SkipAllAnswers() != nil || p.SkipAllAuthorities() != nil {
		return false
	}
	for {
		h, err := p.AdditionalHeader()
		if err != nil {
			return false
		}
		if h.Type == dnsmessage.TypeOPT {
			return true
		}
		if p.SkipAdditional() != nil {
			return false
		}
	}
}

// reverse reads d.c.b.a.in-addr.arpa.
func reverse(name string) (netip.Addr, bool) {
	rest, ok := strings.CutSuffix(name, ".in-addr.arpa")
	parts := strings.Split(rest, ".")
	if !ok || len(parts) != 4 {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(fmt.Sprintf("%s.%s.%s.%s", parts[3], parts[2], parts[1], parts[0]))
	return a, err == nil
}
