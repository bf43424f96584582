package ci

import (
	"encoding/xml"
	"io"
)

// JUnit elements, as far as CI servers read them (the JUnit XML format of
// Apache Ant and Maven Surefire).
type (
	junitSuite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Failure *junitFailure `xml:"failure"`
		Skipped *junitSkipped `xml:"skipped"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
	junitSkipped struct {
		Message string `xml:"message,attr"`
	}
)

// JUnit writes a verdict as one test suite with a test case for each rule;
// image names the image, detail goes into each failure.
func (v Verdict) JUnit(w io.Writer, image, detail string) error {
	s := junitSuite{Name: "layerlab ci", Tests: len(v.Results)}
	for _, r := range v.Results {
		c := junitCase{Class: image, Name: r.Rule}
		switch r.Status {
		case Fail:
			s.Failures++
			c.Failure = &junitFailure{Message: r.Message, Type: r.Rule, Text: detail}
		case Skip:
			s.Skipped++
			c.Skipped = &junitSkipped{Message: r.Message}
		default:
			c.Out = r.Message
		}
		s.Cases = append(s.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
