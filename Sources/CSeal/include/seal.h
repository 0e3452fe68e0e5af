#pragma once
// Nothing to call: see seal.c.
