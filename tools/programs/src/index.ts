/** @packageDocumentation Programs that a tool starts as processes, bundled from the sources. */
export { bundle, type BundleOptions } from './bundle.ts';
