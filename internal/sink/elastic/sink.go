package elastic

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Mode is which document a result becomes.
type Mode string

// The modes.
const (
	// Insert keeps every result.
	Insert Mode = "insert"
	// Upsert keeps the latest result of a day for each policy and object.
	Upsert Mode = "upsert"
)

// Period is the time that an index has the results of.
type Period string

// The periods, in UTC. An index of a month is named name-2026.11, that of a day name-2026.11.24.
const (
	Always  Period = ""
	Monthly Period = "month"
	Daily   Period = "day"
)

// Options of the sink. Address and Index are required.
type Options struct {
	// Address of the server, http or https, without user and password. It may have a path.
	Address string
	// Index that documents are written to, or an alias of one; with a period, what the names of indexes begin with.
	Index string
	// Mode is Insert unless it is given.
	Mode   Mode
	Period Period
	// NoTemplate leaves template, index and mapping to others.
	NoTemplate bool

	// Username and Password, for basic authentication, or APIKey: the encoded key of Elasticsearch, base64 of id:key.
	Username, Password, APIKey string
	// PasswordFile and APIKeyFile have them instead. They are read for every request, so that they can be changed.
	PasswordFile, APIKeyFile string

	// CAFile has the certificates (PEM) of those that may sign the server's, instead of the system's. It is read again when
	// it changes.
	CAFile string
	// InsecureSkipVerify takes any certificate.
	InsecureSkipVerify bool
	// UserAgent, such as assay/1.0.
	UserAgent string
	Logger    *slog.Logger
}

// Sink sends to one server.
type Sink struct {
	o    Options
	base string
	host string

	mu sync.Mutex
	// ready: the index was prepared.
	ready  bool
	client *http.Client
	// authorities is the content of the CA file that the client has.
	authorities string
}

// New checks the options, and reads the files that they name. It does not speak to the server.
func New(o Options) (*Sink, error) {
	u, err := url.Parse(o.Address)
	if err != nil {
		return nil, errors.New("the address of the search server cannot be read as a URL") // it may have a password in it, and so has the error
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("the address of the search server must begin with https:// or http:// and name a host")
	}
	switch {
	case u.User != nil:
		return nil, errors.New("the address of the search server must not have a user and a password; give them by themselves")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the address of the search server must end with its host or path")
	case o.Index == "" || strings.ContainsAny(o.Index, "/*?,\"<>|\\ #:") || o.Index != strings.ToLower(o.Index):
		return nil, fmt.Errorf("%q cannot be the name of an index: it must be in lower case and without \\ / * ? \" < > | # : , and spaces", o.Index)
	case o.Password != "" && o.PasswordFile != "":
		return nil, errors.New("there are a password for the search server and a file with one; give one of them")
	case o.APIKey != "" && o.APIKeyFile != "":
		return nil, errors.New("there are an API key for the search server and a file with one; give one of them")
	case o.Username != "" && (o.APIKey != "" || o.APIKeyFile != ""):
		return nil, errors.New("there are a user and an API key for the search server; give one of them")
	case o.Username == "" && (o.Password != "" || o.PasswordFile != ""):
		return nil, errors.New("there is a password for the search server and no user")
	case o.CAFile != "" && o.InsecureSkipVerify:
		return nil, errors.New("a CA file for the search server has no use when any certificate is taken; give one of them")
	}
	if o.Mode == "" {
		o.Mode = Insert
	}
	if o.Mode != Insert && o.Mode != Upsert {
		return nil, fmt.Errorf("%q is no way to insert results: use %s or %s", o.Mode, Insert, Upsert)
	}
	if o.Period != Always && o.Period != Monthly && o.Period != Daily {
		return nil, fmt.Errorf("%q is no period of an index: use %s or %s, or leave it out", o.Period, Monthly, Daily)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Sink{o: o, base: strings.TrimSuffix(u.String(), "/"), host: u.Host}
	if _, err := s.httpClient(); err != nil {
		return nil, err
	}
	if _, err := s.authorization(); err != nil {
		return nil, err
	}
	return s, nil
}

// index of a result.
func (s *Sink) index(created time.Time) string {
	switch s.o.Period {
	case Monthly:
		return s.o.Index + created.UTC().Format("-2006.01")
	case Daily:
		return s.o.Index + created.UTC().Format("-2006.01.02")
	}
	return s.o.Index
}
