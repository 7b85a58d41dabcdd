// What Go's crypto/x509 reads in certificates and revocation lists that were issued, for tests.
//
// Questions come as JSON, one a line, on standard input; each is answered by one line on standard output, in order.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// question is one of "certificate" (one in PEM is read), "verify" (a chain in PEM, for a usage and a host) and "list" (a
// revocation list is read, and its signature verified with the CA's key).
type question struct {
	Ask   string `json:"ask"`
	Chain string `json:"chain"`
	Roots string `json:"roots"`
	Usage string `json:"usage"`
	Host  string `json:"host"`
	// At is the time of verification; now where it is empty.
	At   string `json:"at"`
	List []byte `json:"list"`
}

// answer holds Go's words of refusal, or what it read.
type answer struct {
	Words string `json:"words"`

	Serial         string   `json:"serial"`
	Subject        string   `json:"subject"`
	Issuer         string   `json:"issuer"`
	NotBefore      string   `json:"notBefore"`
	NotAfter       string   `json:"notAfter"`
	CA             bool     `json:"ca"`
	PathLength     int      `json:"pathLength"`
	KeyUsage       int      `json:"keyUsage"`
	Purposes       []int    `json:"purposes"`
	Names          []string `json:"names"`
	Permitted      []string `json:"permitted"`
	Excluded       []string `json:"excluded"`
	Key            string   `json:"key"`
	Signature      string   `json:"signature"`
	Unhandled      int      `json:"unhandled"`
	Number         string   `json:"number"`
	Revoked        []string `json:"revoked"`
	AuthorityKeyID []byte   `json:"authorityKeyId"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		given, err := reply(asked)
		if err != nil {
			given.Words = err.Error()
		}
		if err := out.Encode(given); err != nil {
			os.Exit(1)
		}
	}
}

func reply(asked question) (answer, error) {
	switch asked.Ask {
	case "certificate":
		chain, err := certificates(asked.Chain)
		if err != nil {
			return answer{}, err
		}
		return describe(chain[0]), nil
	case "verify":
		return answer{}, verify(asked)
	case "list":
		return list(asked)
	}
	return answer{}, errors.New("unknown question " + asked.Ask)
}

func certificates(text string) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, certificate)
	}
	if len(all) == 0 {
		return nil, errors.New("no certificate")
	}
	return all, nil
}

func describe(c *x509.Certificate) answer {
	given := answer{
		Serial: fmt.Sprintf("%X", c.SerialNumber), Subject: c.Subject.String(), Issuer: c.Issuer.String(),
		NotBefore: c.NotBefore.UTC().Format(time.RFC3339), NotAfter: c.NotAfter.UTC().Format(time.RFC3339),
		CA: c.BasicConstraintsValid && c.IsCA, PathLength: c.MaxPathLen, KeyUsage: int(c.KeyUsage),
		Key: c.PublicKeyAlgorithm.String(), Signature: c.SignatureAlgorithm.String(),
		Unhandled: len(c.UnhandledCriticalExtensions), AuthorityKeyID: c.AuthorityKeyId,
		Names: append([]string{}, c.DNSNames...),
	}
	for _, purpose := range c.ExtKeyUsage {
		given.Purposes = append(given.Purposes, int(purpose))
	}
	for _, address := range c.IPAddresses {
		given.Names = append(given.Names, address.String())
	}
	for _, uri := range c.URIs {
		given.Names = append(given.Names, uri.String())
	}
	given.Permitted = constraints(c.PermittedDNSDomains, c.PermittedIPRanges, c.PermittedURIDomains)
	given.Excluded = constraints(c.ExcludedDNSDomains, c.ExcludedIPRanges, c.ExcludedURIDomains)
	return given
}

func constraints(domains []string, ranges []*net.IPNet, uris []string) []string {
	all := []string{}
	for _, domain := range domains {
		all = append(all, "dns:"+domain)
	}
	for _, network := range ranges {
		all = append(all, "ip:"+network.String())
	}
	for _, uri := range uris {
		all = append(all, "uri:"+uri)
	}
	return all
}

func verify(asked question) error {
	chain, err := certificates(asked.Chain)
	if err != nil {
		return err
	}
	roots, err := certificates(asked.Roots)
	if err != nil {
		return err
	}
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), DNSName: asked.Host,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if asked.Usage == "client" {
		options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	if asked.At != "" {
		if options.CurrentTime, err = time.Parse(time.RFC3339, asked.At); err != nil {
			return err
		}
	}
	for _, root := range roots {
		options.Roots.AddCert(root)
	}
	for _, between := range chain[1:] {
		options.Intermediates.AddCert(between)
	}
	_, err = chain[0].Verify(options)
	return err
}

func list(asked question) (answer, error) {
	authorities, err := certificates(asked.Roots)
	if err != nil {
		return answer{}, err
	}
	read, err := x509.ParseRevocationList(asked.List)
	if err != nil {
		return answer{}, err
	}
	if err := read.CheckSignatureFrom(authorities[0]); err != nil {
		return answer{}, err
	}
	given := answer{
		Issuer: read.Issuer.String(), Number: number(read.Number), Signature: read.SignatureAlgorithm.String(),
		NotBefore: read.ThisUpdate.UTC().Format(time.RFC3339), NotAfter: read.NextUpdate.UTC().Format(time.RFC3339),
		AuthorityKeyID: read.AuthorityKeyId, Revoked: []string{},
	}
	for _, entry := range read.RevokedCertificateEntries {
		given.Revoked = append(given.Revoked, fmt.Sprintf("%X %d", entry.SerialNumber, entry.ReasonCode))
	}
	return given, nil
}

func number(n *big.Int) string {
	if n == nil {
		return ""
	}
	return n.String()
}
