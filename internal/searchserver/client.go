package searchserver

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// Options of a client. Address is required.
type Options struct {
	// Address of the server, http or https, without user and password. It may have a path.
	Address string
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
	// MaxAnswer is how many bytes are read of an answer; 16 MiB when it is 0.
	MaxAnswer int64
	// Rights that the user needs, for who is told that it lacks one.
	Rights string
}

// Client of one server. It is safe for concurrent use.
type Client struct {
	o    Options
	base string
	host string

	mu     sync.Mutex
	client *http.Client
	// authorities is the content of the CA file that the client has.
	authorities string
}

// New checks the options, and reads the files that they name. It does not speak to the server.
func New(o Options) (*Client, error) {
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
	c := &Client{o: o, base: strings.TrimSuffix(u.String(), "/"), host: u.Host}
	if _, err := c.httpClient(); err != nil {
		return nil, err
	}
	if _, err := c.authorization(); err != nil {
		return nil, err
	}
	return c, nil
}

// Host is the server's, with its port.
func (c *Client) Host() string { return c.host }

// CheckIndex is an error for what cannot be the name of an index.
func CheckIndex(name string) error {
	if name == "" || strings.ContainsAny(name, "/*?,\"<>|\\ #:") || name != strings.ToLower(name) {
		return fmt.Errorf("%q cannot be the name of an index: it must be in lower case and without \\ / * ? \" < > | # : , and spaces", name)
	}
	return nil
}
