package elastic

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/assay-gitops/assay/internal/searchserver"
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
	o      Options
	server *searchserver.Client

	mu sync.Mutex
	// ready: the index was prepared.
	ready bool
}

// New checks the options, and reads the files that they name. It does not speak to the server.
func New(o Options) (*Sink, error) {
	server, err := searchserver.New(searchserver.Options{
		Address: o.Address, Username: o.Username, Password: o.Password, APIKey: o.APIKey, PasswordFile: o.PasswordFile, APIKeyFile: o.APIKeyFile,
		CAFile: o.CAFile, InsecureSkipVerify: o.InsecureSkipVerify, UserAgent: o.UserAgent,
		Rights: fmt.Sprintf("create_doc and index on %s, and create_index, manage and manage_index_templates for the index to be prepared", o.Index),
	})
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what is wrong
	}
	if err := searchserver.CheckIndex(o.Index); err != nil {
		return nil, err //nolint:wrapcheck // it says what is wrong
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
	return &Sink{o: o, server: server}, nil
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
