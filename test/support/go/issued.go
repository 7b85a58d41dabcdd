// What Go's crypto/x509 reads in certificates and CRLs that were issued.

package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

// issuedQuestion is one of "certificate" (one in PEM is read), "verify" (a chain in PEM, for a usage and a host) and "list" (a
// revocation list is read, and its signature verified with the CA's key).
type issuedQuestion struct {
	Ask   string `json:"ask"`
	Chain string `json:"chain"`
	Roots string `json:"roots"`
	Usage string `json:"usage"`
	Host  string `json:"host"`
	// At is the time of verification; now where it is empty.
	At   string `json:"at"`
	List []byte `json:"list"`
}

// issuedAnswer holds Go's words of refusal, or what it read.
type issuedAnswer struct {
	refusal

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

func readIssued(asked issuedQuestion) (issuedAnswer, error) {
	switch asked.Ask {
	case "certificate":
		chain, err := certificates(asked.Chain)
		if err != nil {
			return issuedAnswer{}, err
		}
		return describe(chain[0]), nil
	case "verify":
		return issuedAnswer{}, verify(asked)
	case "list":
		return readList(asked)
	}
	return issuedAnswer{}, errors.New("unknown question " + asked.Ask)
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

func describe(c *x509.Certificate) issuedAnswer {
	given := issuedAnswer{
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

func verify(asked issuedQuestion) error {
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

func readList(asked issuedQuestion) (issuedAnswer, error) {
	authorities, err := certificates(asked.Roots)
	if err != nil {
		return issuedAnswer{}, err
	}
	read, err := x509.ParseRevocationList(asked.List)
	if err != nil {
		return issuedAnswer{}, err
	}
	if err := read.CheckSignatureFrom(authorities[0]); err != nil {
		return issuedAnswer{}, err
	}
	given := issuedAnswer{
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
