package elastic

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/words"
)

// maxAnswer bounds what is read of an answer. That to a batch has a few hundred bytes for each result that was refused.
const maxAnswer = 16 << 20

// answer is what a request came to, as far as it came.
type answer struct {
	status int
	// errorType is the server's name for what is wrong.
	errorType string
	after     time.Duration
}

// call sends a request and decodes a good answer into result, unless that is nil.
func (s *Sink) call(ctx context.Context, method, path string, body []byte, result any) (answer, error) {
	var a answer
	request, err := http.NewRequestWithContext(ctx, method, s.base+path, bytes.NewReader(body))
	if err != nil {
		return a, fmt.Errorf("making a request for the search server at %s failed", s.host)
	}
	authorization, err := s.authorization()
	if err != nil {
		return a, err
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	request.Header.Set("Content-Type", "application/json")
	if s.o.UserAgent != "" {
		request.Header.Set("User-Agent", s.o.UserAgent)
	}
	client, err := s.httpClient()
	if err != nil {
		return a, err
	}
	response, err := client.Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // its text has the whole URL, whose path may be a secret
		}
		return a, fmt.Errorf("sending to the search server at %s: %w", s.host, err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return a, fmt.Errorf("reading the answer of the search server at %s: %w", s.host, err)
	}
	a.status = response.StatusCode
	if a.status/100 == 2 {
		if result == nil {
			return a, nil
		}
		if err := json.Unmarshal(said, result); err != nil {
			return a, fmt.Errorf("the search server at %s answered %s %s with what is not its JSON; is the address right?", s.host, method, path)
		}
		return a, nil
	}
	a.after = sink.RetryAfter(response.Header.Get("Retry-After"), time.Now())
	var failure struct {
		Error failure `json:"error"`
	}
	_ = json.Unmarshal(said, &failure) // a proxy answers otherwise
	a.errorType = failure.Error.Type
	text := failure.Error.String()
	if text == "" {
		text = string(said)
	}
	err = fmt.Errorf("the search server at %s answered %s: %s", s.host, response.Status, brief(text))
	switch a.status {
	case http.StatusUnauthorized:
		err = fmt.Errorf("%w (it wants a user and password or an API key, or does not take those that are configured)", err)
	case http.StatusForbidden:
		err = fmt.Errorf("%w (the configured user may not do that: it needs create_doc and index on %s, and create_index, manage and manage_index_templates for the index to be prepared)", err, s.o.Index)
	}
	return a, err
}

// failure is what a server says is wrong.
type failure struct {
	Type     string   `json:"type"`
	Reason   string   `json:"reason"`
	CausedBy *failure `json:"caused_by"`
}

// UnmarshalJSON takes texts as well, as some requests are answered.
func (f *failure) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &f.Reason) == nil {
		return nil
	}
	type plain failure
	return json.Unmarshal(data, (*plain)(f))
}

func (f *failure) String() string {
	var parts []string
	for depth := 0; f != nil && depth < 3; f, depth = f.CausedBy, depth+1 {
		part := strings.TrimPrefix(f.Type+": "+f.Reason, ": ")
		if f.Type != "" || f.Reason != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "; ")
}

// brief makes what a server says fit for a log.
func brief(text string) string { return words.OneLine(text, 400) }

// authorization is the header of that name; empty for none. Its errors do not have what is in the files.
func (s *Sink) authorization() (string, error) {
	switch {
	case s.o.APIKey != "" || s.o.APIKeyFile != "":
		key, err := secret(s.o.APIKey, s.o.APIKeyFile)
		if err != nil {
			return "", fmt.Errorf("reading the API key for the search server: %w", err)
		}
		return "ApiKey " + key, nil
	case s.o.Username != "":
		password, err := secret(s.o.Password, s.o.PasswordFile)
		if err != nil {
			return "", fmt.Errorf("reading the password for the search server: %w", err)
		}
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(s.o.Username+":"+password)), nil
	}
	return "", nil
}

// secret is a text, or the first line of a file.
func secret(text, file string) (string, error) {
	if file == "" {
		return text, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	line := strings.TrimRight(string(content), "\r\n")
	if line == "" {
		return "", fmt.Errorf("the file %s is empty", file)
	}
	if strings.ContainsAny(line, "\r\n") {
		return "", fmt.Errorf("the file %s has more than one line", file)
	}
	return line, nil
}

// httpClient is made again when the CA file has changed.
func (s *Sink) httpClient() (*http.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var authorities []byte
	if s.o.CAFile != "" {
		var err error
		if authorities, err = os.ReadFile(s.o.CAFile); err != nil {
			return nil, fmt.Errorf("reading the CA file for the search server: %w", err)
		}
	}
	if s.client != nil && s.authorities == string(authorities) {
		return s.client, nil
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: s.o.InsecureSkipVerify} //nolint:gosec // who configures that wants it
	if s.o.CAFile != "" {
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(authorities) {
			return nil, fmt.Errorf("the CA file for the search server, %s, has no certificate in PEM", s.o.CAFile)
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = settings
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
	s.authorities = string(authorities)
	s.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return s.client, nil
}
