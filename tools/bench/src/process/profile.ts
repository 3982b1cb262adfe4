/** CPU profiles of a process while it is being measured; Chromium's developer tools and others open them. */
import { writeFile } from 'node:fs/promises';
import { Session } from 'node:inspector/promises';

let session: Session | null = null;

export async function startProfile(): Promise<void> {
  session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.start');
}

export async function stopProfile(file: string): Promise<void> {
  if (session === null) return;
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  session = null;
  await writeFile(file, JSON.stringify(profile));
}
