/** Message types on the transport: 1 to 15 are Raft's, 64 and up free. */
export const requestTypes = { raft: 1, put: 64, read: 65 } as const;
