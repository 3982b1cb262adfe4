export {
  type AuthorityOptions,
  type CertificateAndKey,
  createAuthority,
  issueClientCertificate,
  type IssuedIdentity,
  issueNodeCertificate,
  type IssueOptions,
  type ValidityOptions,
} from './node/authority.ts';
